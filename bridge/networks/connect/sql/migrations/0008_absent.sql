-- Users of products who are away. substitute: a person; said: their own words, sealed; copied = 1: the substitute gets what
-- comes, too. One row for each user; it goes once it is over.
CREATE TABLE connect_absent (
  network TEXT NOT NULL, id TEXT NOT NULL, person TEXT NOT NULL, since BIGINT NOT NULL, until BIGINT NOT NULL,
  substitute TEXT, said @blob, copied INTEGER NOT NULL, PRIMARY KEY (network, id)
);
CREATE INDEX connect_absent_until ON connect_absent (until);
