-- Raised by every change of the organization's templates, as class.gallery_version is by those of a
-- class. Not a column of organization: that row is locked by whoever needs its time zone to stay.
CREATE TABLE gallery (
  organization_id UUID PRIMARY KEY REFERENCES organization (id),
  version BIGINT NOT NULL
);
