-- What a step needs is asked for by the step: without this every step of a chain looks at all edges of its campaign.
CREATE INDEX edges_by_child ON edges (campaign, child);
