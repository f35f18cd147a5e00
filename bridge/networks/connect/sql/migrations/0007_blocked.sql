-- Whose messages a user of a product does not want.
CREATE TABLE connect_blocked (
  network TEXT NOT NULL, id TEXT NOT NULL, person TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (network, id, person)
);
