-- The calendar day of a session in its organization's time zone, in days since 1970-01-01; it is
-- counted again where the zone changes.
ALTER TABLE session ADD COLUMN day INTEGER NOT NULL DEFAULT 0;
-- When anything that is shown of it changed last.
ALTER TABLE session ADD COLUMN touched_at INSTANT NOT NULL DEFAULT '1970-01-01T00:00:00+00:00';
UPDATE session SET touched_at = created_at;
-- When it was opened by hand last: the clock closes it no sooner than the usual while after that.
ALTER TABLE session ADD COLUMN opened_at INSTANT;
CREATE INDEX session_by_day ON session (organization_id, day);
CREATE INDEX session_touched ON session (organization_id, touched_at);
CREATE INDEX session_by_clock ON session (state, starts_at) WHERE state IN ('SCHEDULED', 'OPEN');

-- What a student was in a week (day + 3) / 7, from Monday on: the marks of OPEN and CLOSED sessions.
-- Moved with every mark, so that statistics of many students never count all marks.
CREATE TABLE student_week (
  organization_id UUID NOT NULL,
  week INTEGER NOT NULL,
  student_id UUID NOT NULL,
  present INTEGER NOT NULL,
  late INTEGER NOT NULL,
  excused INTEGER NOT NULL,
  absent INTEGER NOT NULL,
  PRIMARY KEY (organization_id, week, student_id),
  FOREIGN KEY (organization_id, student_id) REFERENCES person (organization_id, id)
);

-- What a session's students were, and what a student was in their sessions, from the index alone:
-- otherwise PostgreSQL reads all marks to count those of a week.
CREATE INDEX mark_of_session ON mark (session_id, student_id, status);
CREATE INDEX mark_of_student ON mark (student_id, session_id, status);

CREATE INDEX face_waiting ON face (organization_id, created_at, id)
  WHERE decision = 'NEEDS_REVIEW' AND session_id IS NOT NULL;
CREATE INDEX face_by_session ON face (session_id);

-- The file that an EXPORT job made.
CREATE TABLE export (
  job_id UUID PRIMARY KEY,
  organization_id UUID NOT NULL,
  media_key TEXT,
  rows INTEGER NOT NULL,
  byte_size BIGINT NOT NULL,
  created_at INSTANT NOT NULL,
  FOREIGN KEY (organization_id, job_id) REFERENCES job (organization_id, id)
);

-- What a student was written about a session: once for each kind.
CREATE TABLE notice (
  session_id UUID NOT NULL,
  student_id UUID NOT NULL,
  kind TEXT NOT NULL,
  organization_id UUID NOT NULL,
  created_at INSTANT NOT NULL,
  PRIMARY KEY (session_id, student_id, kind),
  FOREIGN KEY (organization_id, session_id) REFERENCES session (organization_id, id),
  FOREIGN KEY (organization_id, student_id) REFERENCES person (organization_id, id)
);
