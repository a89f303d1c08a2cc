-- Written once for both databases: UUID, INSTANT, BYTES, DOUBLE and JSONTEXT are replaced by
-- each one's own type, NAMES by the collation that orders by code point.
-- A composite key (organization_id, id) stands behind every reference, so that no row can
-- ever point into another organization.

CREATE TABLE organization (
  id UUID PRIMARY KEY,
  name TEXT NOT NULL,
  timezone TEXT NOT NULL,
  min_enrolment_photos INTEGER NOT NULL,
  late_after_minutes INTEGER NOT NULL,
  close_after_minutes INTEGER NOT NULL,
  photo_retention_days INTEGER NOT NULL,
  require_liveness BOOLEAN NOT NULL,
  check_in_radius_meters INTEGER,
  max_upload_megabytes INTEGER NOT NULL,
  created_at INSTANT NOT NULL
);

CREATE TABLE person (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL REFERENCES organization (id),
  full_name TEXT NOT NULL,
  name_key TEXT NAMES NOT NULL,
  email TEXT,
  roll_number TEXT,
  role TEXT NOT NULL,
  status TEXT NOT NULL,
  login_email TEXT UNIQUE,
  password_hash TEXT,
  created_at INSTANT NOT NULL,
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, roll_number)
);
CREATE INDEX person_by_name ON person (organization_id, name_key, id);

CREATE TABLE login (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL,
  person_id UUID NOT NULL,
  refresh_hash BYTES NOT NULL,
  created_at INSTANT NOT NULL,
  refreshed_at INSTANT NOT NULL,
  expires_at INSTANT NOT NULL,
  ended_at INSTANT,
  FOREIGN KEY (organization_id, person_id) REFERENCES person (organization_id, id)
);
CREATE INDEX login_by_person ON login (person_id);

CREATE TABLE class (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL REFERENCES organization (id),
  name TEXT NOT NULL,
  name_key TEXT NAMES NOT NULL,
  code TEXT NOT NULL,
  archived BOOLEAN NOT NULL,
  gallery_version BIGINT NOT NULL DEFAULT 0,
  created_at INSTANT NOT NULL,
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, code)
);
CREATE INDEX class_by_name ON class (organization_id, name_key, id);

CREATE TABLE class_teacher (
  class_id UUID NOT NULL,
  person_id UUID NOT NULL,
  organization_id UUID NOT NULL,
  PRIMARY KEY (class_id, person_id),
  FOREIGN KEY (organization_id, class_id) REFERENCES class (organization_id, id),
  FOREIGN KEY (organization_id, person_id) REFERENCES person (organization_id, id)
);
CREATE INDEX class_teacher_by_person ON class_teacher (person_id, class_id);

CREATE TABLE membership (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL,
  class_id UUID NOT NULL,
  person_id UUID NOT NULL,
  joined_at INSTANT NOT NULL,
  left_at INSTANT,
  CHECK (left_at IS NULL OR left_at > joined_at),
  FOREIGN KEY (organization_id, class_id) REFERENCES class (organization_id, id),
  FOREIGN KEY (organization_id, person_id) REFERENCES person (organization_id, id)
);
CREATE INDEX membership_by_class ON membership (class_id, person_id);
CREATE INDEX membership_by_person ON membership (person_id, class_id);
-- Intervals of one student in one class never overlap: at most one is open.
CREATE UNIQUE INDEX membership_open ON membership (class_id, person_id) WHERE left_at IS NULL;

CREATE TABLE venue (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL REFERENCES organization (id),
  name TEXT NOT NULL,
  name_key TEXT NAMES NOT NULL,
  building TEXT,
  capacity INTEGER,
  latitude DOUBLE,
  longitude DOUBLE,
  created_at INSTANT NOT NULL,
  UNIQUE (organization_id, id)
);
CREATE INDEX venue_by_name ON venue (organization_id, name_key, id);

CREATE TABLE session (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL REFERENCES organization (id),
  class_id UUID NOT NULL,
  venue_id UUID,
  title TEXT,
  starts_at INSTANT NOT NULL,
  ends_at INSTANT NOT NULL,
  state TEXT NOT NULL,
  event_seq BIGINT NOT NULL DEFAULT 0,
  present INTEGER NOT NULL DEFAULT 0,
  late INTEGER NOT NULL DEFAULT 0,
  excused INTEGER NOT NULL DEFAULT 0,
  absent INTEGER NOT NULL DEFAULT 0,
  expected INTEGER NOT NULL DEFAULT 0,
  created_by UUID,
  created_at INSTANT NOT NULL,
  UNIQUE (organization_id, id),
  FOREIGN KEY (organization_id, class_id) REFERENCES class (organization_id, id),
  FOREIGN KEY (organization_id, venue_id) REFERENCES venue (organization_id, id),
  FOREIGN KEY (organization_id, created_by) REFERENCES person (organization_id, id)
);
CREATE INDEX session_by_start ON session (organization_id, starts_at, id);
CREATE INDEX session_by_class ON session (class_id, starts_at, id);
CREATE INDEX session_by_venue ON session (venue_id, starts_at, id);

CREATE TABLE job (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL REFERENCES organization (id),
  kind TEXT NOT NULL,
  status TEXT NOT NULL,
  stage TEXT NOT NULL,
  progress DOUBLE NOT NULL,
  attempts INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  available_at INSTANT NOT NULL,
  fence BIGINT NOT NULL,
  lease_until INSTANT,
  payload_version INTEGER NOT NULL,
  payload JSONTEXT NOT NULL,
  trace TEXT,
  revision BIGINT NOT NULL,
  error_code TEXT,
  error_message TEXT,
  error_retryable BOOLEAN NOT NULL,
  submitted_by UUID,
  session_id UUID,
  class_id UUID,
  person_id UUID,
  timings JSONTEXT,
  created_at INSTANT NOT NULL,
  started_at INSTANT,
  finished_at INSTANT,
  UNIQUE (organization_id, id),
  FOREIGN KEY (organization_id, submitted_by) REFERENCES person (organization_id, id),
  FOREIGN KEY (organization_id, session_id) REFERENCES session (organization_id, id),
  FOREIGN KEY (organization_id, class_id) REFERENCES class (organization_id, id),
  FOREIGN KEY (organization_id, person_id) REFERENCES person (organization_id, id)
);
CREATE INDEX job_queue ON job (priority, created_at) WHERE status IN ('QUEUED', 'RUNNING');
CREATE INDEX job_running ON job (organization_id) WHERE status = 'RUNNING';
CREATE INDEX job_newest ON job (organization_id, created_at, id);
CREATE INDEX job_by_session ON job (session_id, created_at, id);

CREATE TABLE photo (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL,
  job_id UUID NOT NULL,
  position INTEGER NOT NULL,
  session_id UUID,
  media_key TEXT,
  byte_size BIGINT NOT NULL,
  width INTEGER,
  height INTEGER,
  submitted_at INSTANT NOT NULL,
  uploaded_by UUID,
  UNIQUE (organization_id, id),
  UNIQUE (job_id, position),
  FOREIGN KEY (organization_id, job_id) REFERENCES job (organization_id, id),
  FOREIGN KEY (organization_id, session_id) REFERENCES session (organization_id, id),
  FOREIGN KEY (organization_id, uploaded_by) REFERENCES person (organization_id, id)
);
CREATE INDEX photo_by_session ON photo (session_id, submitted_at, id);

CREATE TABLE face (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL,
  photo_id UUID NOT NULL,
  job_id UUID NOT NULL,
  session_id UUID,
  x INTEGER NOT NULL,
  y INTEGER NOT NULL,
  width INTEGER NOT NULL,
  height INTEGER NOT NULL,
  detection_score DOUBLE NOT NULL,
  quality JSONTEXT NOT NULL,
  decision TEXT NOT NULL,
  reason TEXT,
  student_id UUID,
  similarity DOUBLE,
  candidates JSONTEXT NOT NULL,
  crop_key TEXT,
  decided_by UUID,
  decided_at INSTANT,
  created_at INSTANT NOT NULL,
  UNIQUE (organization_id, id),
  FOREIGN KEY (organization_id, photo_id) REFERENCES photo (organization_id, id),
  FOREIGN KEY (organization_id, job_id) REFERENCES job (organization_id, id),
  FOREIGN KEY (organization_id, session_id) REFERENCES session (organization_id, id),
  FOREIGN KEY (organization_id, student_id) REFERENCES person (organization_id, id),
  FOREIGN KEY (organization_id, decided_by) REFERENCES person (organization_id, id)
);
CREATE INDEX face_by_photo ON face (photo_id);
CREATE INDEX face_by_job ON face (job_id);

CREATE TABLE mark (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL,
  session_id UUID NOT NULL,
  student_id UUID NOT NULL,
  status TEXT NOT NULL,
  source TEXT NOT NULL,
  similarity DOUBLE,
  face_id UUID,
  remark TEXT,
  marked_at INSTANT NOT NULL,
  marked_by UUID,
  job_id UUID,
  UNIQUE (organization_id, id),
  UNIQUE (session_id, student_id),
  FOREIGN KEY (organization_id, session_id) REFERENCES session (organization_id, id),
  FOREIGN KEY (organization_id, student_id) REFERENCES person (organization_id, id),
  FOREIGN KEY (organization_id, face_id) REFERENCES face (organization_id, id),
  FOREIGN KEY (organization_id, marked_by) REFERENCES person (organization_id, id),
  FOREIGN KEY (organization_id, job_id) REFERENCES job (organization_id, id)
);
CREATE INDEX mark_by_student ON mark (student_id, marked_at, id);
CREATE INDEX mark_by_time ON mark (organization_id, marked_at, id);
CREATE INDEX mark_by_job ON mark (job_id);

CREATE TABLE mark_change (
  session_id UUID NOT NULL,
  seq BIGINT NOT NULL,
  organization_id UUID NOT NULL,
  student_id UUID NOT NULL,
  from_status TEXT,
  to_status TEXT,
  source TEXT NOT NULL,
  by_id UUID,
  at INSTANT NOT NULL,
  remark TEXT,
  PRIMARY KEY (session_id, seq),
  FOREIGN KEY (organization_id, session_id) REFERENCES session (organization_id, id),
  FOREIGN KEY (organization_id, student_id) REFERENCES person (organization_id, id),
  FOREIGN KEY (organization_id, by_id) REFERENCES person (organization_id, id)
);
CREATE INDEX mark_change_by_student ON mark_change (session_id, student_id, seq);

CREATE TABLE face_template (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL,
  person_id UUID NOT NULL,
  job_id UUID NOT NULL,
  photo_index INTEGER NOT NULL,
  model TEXT NOT NULL,
  status TEXT NOT NULL,
  embedding BYTES,
  quality JSONTEXT,
  rejections JSONTEXT NOT NULL,
  crop_key TEXT,
  created_at INSTANT NOT NULL,
  UNIQUE (organization_id, id),
  UNIQUE (job_id, photo_index, model),
  FOREIGN KEY (organization_id, person_id) REFERENCES person (organization_id, id),
  FOREIGN KEY (organization_id, job_id) REFERENCES job (organization_id, id)
);
CREATE INDEX face_template_by_person ON face_template (person_id, model, status);
CREATE INDEX face_template_by_organization ON face_template (organization_id, model, status);

CREATE TABLE idempotency (
  person_id UUID NOT NULL,
  operation TEXT NOT NULL,
  key TEXT NOT NULL,
  organization_id UUID NOT NULL,
  request_hash BYTES NOT NULL,
  answer JSONTEXT NOT NULL,
  created_at INSTANT NOT NULL,
  PRIMARY KEY (person_id, operation, key),
  FOREIGN KEY (organization_id, person_id) REFERENCES person (organization_id, id)
);

CREATE TABLE audit (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL REFERENCES organization (id),
  at INSTANT NOT NULL,
  actor_id UUID,
  action TEXT NOT NULL,
  target_type TEXT NOT NULL,
  target_id UUID NOT NULL,
  summary TEXT NOT NULL,
  FOREIGN KEY (organization_id, actor_id) REFERENCES person (organization_id, id)
);
CREATE INDEX audit_newest ON audit (organization_id, at, id);

-- The installation's own, of no organization.
CREATE TABLE lease (
  name TEXT PRIMARY KEY,
  holder UUID NOT NULL,
  until INSTANT NOT NULL
);
CREATE TABLE worker_node (
  id UUID PRIMARY KEY,
  slots INTEGER NOT NULL,
  seen_at INSTANT NOT NULL
);
