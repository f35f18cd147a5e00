-- How far everything that is sealed has been sealed anew with the key that is active: one row for each sealed column.
CREATE TABLE resealing (
    what TEXT PRIMARY KEY,
    active TEXT NOT NULL,
    place TEXT NOT NULL,
    seen BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    done_at BIGINT
);
