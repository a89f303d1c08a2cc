-- A kind of an organization's jobs that no worker begins.
CREATE TABLE queue_pause (
  organization_id UUID NOT NULL REFERENCES organization (id),
  kind TEXT NOT NULL,
  paused_at INSTANT NOT NULL,
  PRIMARY KEY (organization_id, kind)
);

-- When a worker last took a job of an organization: of those that wait as urgently, it is the turn of the
-- one that waited longest. No reference: who claims must not wait for who changes an organization.
CREATE TABLE queue_turn (
  organization_id UUID PRIMARY KEY,
  claimed_at INSTANT NOT NULL
);

CREATE INDEX job_unfinished ON job (organization_id, kind) WHERE status IN ('QUEUED', 'RUNNING', 'FAILED');
