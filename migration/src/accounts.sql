CREATE TABLE department (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL REFERENCES organization (id),
  name TEXT NOT NULL,
  name_key TEXT NAMES NOT NULL,
  code TEXT NOT NULL,
  head_id UUID,
  created_at INSTANT NOT NULL,
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, code),
  FOREIGN KEY (organization_id, head_id) REFERENCES person (organization_id, id)
);
CREATE INDEX department_by_name ON department (organization_id, name_key, id);

ALTER TABLE person ADD COLUMN department_id UUID REFERENCES department (id);
ALTER TABLE person ADD COLUMN locale TEXT NOT NULL DEFAULT 'en';
ALTER TABLE person ADD COLUMN email_on_absence BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE person ADD COLUMN email_on_mark BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX person_by_department ON person (department_id, name_key, id);
CREATE INDEX person_by_role ON person (organization_id, role, status);
ALTER TABLE class ADD COLUMN department_id UUID REFERENCES department (id);
CREATE INDEX class_by_department ON class (department_id);
-- By whom something is about, for erasure.
CREATE INDEX face_by_student ON face (student_id);
CREATE INDEX job_by_person ON job (person_id);
CREATE INDEX mark_change_remark ON mark_change (student_id) WHERE remark IS NOT NULL;

-- An organization's thresholds for an embedder, where it has its own.
CREATE TABLE threshold (
  organization_id UUID NOT NULL REFERENCES organization (id),
  model TEXT NOT NULL,
  match_threshold DOUBLE,
  review_threshold DOUBLE,
  PRIMARY KEY (organization_id, model)
);

CREATE TABLE invitation (
  person_id UUID PRIMARY KEY,
  organization_id UUID NOT NULL,
  token_hash BYTES NOT NULL UNIQUE,
  created_by UUID,
  created_at INSTANT NOT NULL,
  expires_at INSTANT NOT NULL,
  FOREIGN KEY (organization_id, person_id) REFERENCES person (organization_id, id),
  FOREIGN KEY (organization_id, created_by) REFERENCES person (organization_id, id)
);

CREATE TABLE feedback (
  id UUID PRIMARY KEY,
  organization_id UUID NOT NULL,
  person_id UUID NOT NULL,
  message TEXT NOT NULL,
  rating INTEGER,
  created_at INSTANT NOT NULL,
  FOREIGN KEY (organization_id, person_id) REFERENCES person (organization_id, id)
);

-- The installation's own, of no organization: whoever asks for a code may belong to none yet.
-- Addresses are kept as keyed hashes, what a mail says is sealed.
CREATE TABLE code (
  purpose TEXT NOT NULL,
  address_hash BYTES NOT NULL,
  secret_hash BYTES NOT NULL,
  tries INTEGER NOT NULL,
  sent_at INSTANT NOT NULL,
  expires_at INSTANT NOT NULL,
  PRIMARY KEY (purpose, address_hash)
);
CREATE TABLE mail (
  id UUID PRIMARY KEY,
  address_hash BYTES NOT NULL,
  sealed BYTES NOT NULL,
  attempts INTEGER NOT NULL,
  available_at INSTANT NOT NULL,
  lease_until INSTANT,
  created_at INSTANT NOT NULL
);
CREATE INDEX mail_queue ON mail (available_at);
CREATE INDEX mail_by_address ON mail (address_hash);

-- Objects of the media store that no row names any more, until they are gone.
CREATE TABLE discarded (
  media_key TEXT PRIMARY KEY,
  created_at INSTANT NOT NULL
);
-- The embedders that workers run with, and the catalog's thresholds for each.
CREATE TABLE embedder (
  name TEXT PRIMARY KEY,
  match_threshold DOUBLE NOT NULL,
  review_threshold DOUBLE NOT NULL,
  seen_at INSTANT NOT NULL
);
