-- Whether a worker that says it lives tells living people from pictures of them.
ALTER TABLE worker_node ADD COLUMN tells_liveness BOOLEAN NOT NULL DEFAULT FALSE;

-- SHA-256 of an enrolment photo's bytes: one that was sent in is not sent in twice.
ALTER TABLE photo ADD COLUMN digest BYTES;

-- Not columns of organization: that row is locked by whoever needs its time zone to stay.
-- version: raised by every change of the organization's templates, as class.gallery_version is by
-- those of a class. model: the embedder whose templates are the gallery; null until somebody is
-- enrolled.
CREATE TABLE gallery (
  organization_id UUID PRIMARY KEY REFERENCES organization (id),
  version BIGINT NOT NULL,
  model TEXT
);
-- Whoever changed the embedder so far compared with the templates of the new one alone; of what is
-- there the embedder with most of them is kept.
INSERT INTO gallery (organization_id, version, model)
SELECT organization_id, 1, model FROM (
  SELECT organization_id, model, ROW_NUMBER() OVER (
    PARTITION BY organization_id
    ORDER BY SUM(CASE WHEN status = 'ACCEPTED' THEN 1 ELSE 0 END) DESC, COUNT(*) DESC, model
  ) AS place
  FROM face_template GROUP BY organization_id, model
) ranked WHERE place = 1;
