CREATE TABLE records (
  external_task_id text NOT NULL, project text NOT NULL, key text NOT NULL, take integer NOT NULL,
  attempt integer NOT NULL, operation text NOT NULL, account text NOT NULL, state text NOT NULL, address text NOT NULL,
  task_id text NOT NULL, message text NOT NULL, failure text NOT NULL, outputs text NOT NULL, units text NOT NULL,
  created_at bigint NOT NULL, updated_at bigint NOT NULL, PRIMARY KEY (account, external_task_id));
CREATE TABLE unlocked (
  account text NOT NULL, external_task_id text NOT NULL, PRIMARY KEY (account, external_task_id));
-- A process is its session: `backend` and `started` name it among the server's, as long as it is connected.
CREATE TABLE processes (
  token text PRIMARY KEY, backend integer NOT NULL, started timestamptz NOT NULL, seen double precision NOT NULL);
CREATE TABLE claims (
  account text NOT NULL, external_task_id text NOT NULL, token text NOT NULL, pools jsonb NOT NULL,
  PRIMARY KEY (account, external_task_id));
CREATE TABLE durations (
  sort text PRIMARY KEY, count integer NOT NULL, mean double precision NOT NULL, low double precision NOT NULL,
  high double precision NOT NULL);
CREATE TABLE limits (
  account text NOT NULL, pool text NOT NULL, slots integer NOT NULL, at double precision NOT NULL,
  PRIMARY KEY (account, pool));
-- Paths mean something on one machine only.
CREATE TABLE files (
  host text NOT NULL, path text NOT NULL, size bigint NOT NULL, mtime_ns bigint NOT NULL, sha256 text NOT NULL,
  PRIMARY KEY (host, path));
