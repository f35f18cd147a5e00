-- Links between an address and a person that were taken back, why, when (ms) and by whom.
CREATE TABLE revocation (
  network TEXT NOT NULL, id TEXT NOT NULL, person TEXT NOT NULL, why TEXT NOT NULL, at BIGINT NOT NULL, by_whom TEXT NOT NULL,
  PRIMARY KEY (network, id, person)
);
