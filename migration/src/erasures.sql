CREATE INDEX idempotency_by_age ON idempotency (created_at);

-- How many people were erased: what was read for a report before one of them is not kept.
CREATE TABLE erasures (
  organization_id UUID PRIMARY KEY REFERENCES organization (id),
  people BIGINT NOT NULL
);
