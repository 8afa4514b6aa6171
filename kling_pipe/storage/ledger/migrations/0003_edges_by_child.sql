-- What a step needs is asked for by the step: without this every step of a chain looks at all edges of its campaign.
CREATE INDEX edges_by_child ON edges (campaign, child);
-- A step is asked for by its address; by its state the server would look at all that are queued, for every one of them.
DROP INDEX steps_by_state;
