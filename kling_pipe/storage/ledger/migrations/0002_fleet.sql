-- A plan that workers carry out: its steps, which need which, and the local files that their requests hold.
CREATE TABLE campaigns (
  id text PRIMARY KEY, account text NOT NULL, project text NOT NULL, form jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT now());
CREATE TABLE steps (
  campaign text NOT NULL REFERENCES campaigns ON DELETE CASCADE, address text NOT NULL, form jsonb NOT NULL,
  waiting integer NOT NULL, state text NOT NULL, external_task_id text NOT NULL, message text NOT NULL DEFAULT '',
  PRIMARY KEY (campaign, address));
CREATE INDEX steps_by_state ON steps (campaign, state);
CREATE TABLE edges (
  campaign text NOT NULL REFERENCES campaigns ON DELETE CASCADE, parent text NOT NULL, child text NOT NULL,
  PRIMARY KEY (campaign, parent, child));
CREATE TABLE blobs (sha256 text PRIMARY KEY, data bytea NOT NULL);
