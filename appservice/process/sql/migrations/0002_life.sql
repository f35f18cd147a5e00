-- Which hub this database is of, how far its life has come, and where the database lay. The homeserver keeps the first two,
-- too: a copy of the database that is restored later has come less far.
CREATE TABLE life (
    hub TEXT PRIMARY KEY,
    generation BIGINT NOT NULL,
    place TEXT NOT NULL
);
