-- Users whose product has said that they are gone. done: when all of it was done (ms), NULL: some is still to do.
CREATE TABLE connect_ended (
  network TEXT NOT NULL, id TEXT NOT NULL, person TEXT NOT NULL, at BIGINT NOT NULL, done BIGINT, PRIMARY KEY (network, id)
);
CREATE INDEX connect_ended_todo ON connect_ended (network, id) WHERE done IS NULL;
