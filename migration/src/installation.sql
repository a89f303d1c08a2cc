-- Which installation this database is of, by an id that its media store has too: one row, named 'this', made when
-- it is first asked for.
CREATE TABLE installation (
  name TEXT PRIMARY KEY,
  id UUID NOT NULL
);
