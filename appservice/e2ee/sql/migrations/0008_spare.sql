-- needs: 6
-- The account of a ghost as it was after a copy of the database was taken, which the homeserver has kept: it reads what was
-- encrypted to one-time keys that the copy does not know, and nothing else is done with it.
CREATE TABLE e2ee_spare (
    ghost TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    key_id TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX e2ee_spare_at ON e2ee_spare (at);
