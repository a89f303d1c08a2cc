-- Housekeeping: who is at a chore and until when, when it was begun and ended last, and how that went.
CREATE TABLE chore (
  name TEXT PRIMARY KEY,
  -- The run that is at it, unless it was cut off: then others may begin after `until`.
  run UUID,
  until INSTANT,
  begun_at INSTANT NOT NULL,
  -- Of the last run that came to its end: when, what it dealt with, and why it failed.
  ended_at INSTANT,
  done BIGINT NOT NULL DEFAULT 0,
  error TEXT,
  -- Where the next run goes on, of a chore that does a part at a time.
  place TEXT
);

-- Objects of the media store that a row names and that are not there.
CREATE TABLE missing_media (
  media_key TEXT PRIMARY KEY,
  seen_at INSTANT NOT NULL
);
