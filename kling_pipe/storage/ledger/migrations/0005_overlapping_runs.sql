-- What tasks may cost, reserved before they are sent: runs that overlap form a series, and spend one budget together.
CREATE TABLE runs (token text PRIMARY KEY, series bigint NOT NULL, until double precision NOT NULL);
ALTER TABLE reservations RENAME TO attempts;
ALTER INDEX reservations_pkey RENAME TO attempts_pkey;
CREATE TABLE reservations (
  series bigint NOT NULL, account text NOT NULL, external_task_id text NOT NULL, run text NOT NULL,
  project text NOT NULL, address text NOT NULL, video double precision NOT NULL, image double precision NOT NULL,
  usd double precision NOT NULL, PRIMARY KEY (series, account, external_task_id));
CREATE INDEX reservations_by_job ON reservations (address, project);
-- What campaigns that are under way have sent and reserved counts on.
INSERT INTO runs
  SELECT c.id, 1, extract(epoch FROM c.at) FROM campaigns c
  WHERE EXISTS (SELECT 1 FROM steps s WHERE s.campaign = c.id AND s.state IN ('queued', 'waiting'));
INSERT INTO reservations
  SELECT 1, '', a.campaign || ' ' || a.address || ' ' || a.attempt, a.campaign, c.project, a.address,
    a.video, a.image, a.usd
  FROM attempts a JOIN runs r ON r.token = a.campaign JOIN campaigns c ON c.id = a.campaign;
INSERT INTO reservations
  SELECT 1, k.account, s.external_task_id, s.campaign, c.project, s.address,
    CASE WHEN s.form -> 'cost' ->> 'pack' = 'video' THEN coalesce((s.form -> 'cost' ->> 'units')::float, 0) ELSE 0 END,
    CASE WHEN s.form -> 'cost' ->> 'pack' = 'image' THEN coalesce((s.form -> 'cost' ->> 'units')::float, 0) ELSE 0 END,
    coalesce((s.form -> 'cost' ->> 'usd')::float, 0)
  FROM steps s JOIN runs r ON r.token = s.campaign JOIN campaigns c ON c.id = s.campaign
    JOIN records k ON k.external_task_id = s.external_task_id
  WHERE k.created_at = 0 OR k.created_at >= 1000 * extract(epoch FROM c.at)
  ON CONFLICT DO NOTHING;
DROP TABLE attempts;
