-- As the tables of the store: kept once by SQLite.
CREATE TABLE compact (event_id TEXT NOT NULL, what TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (event_id, what)) WITHOUT ROWID; -- sqlite
INSERT INTO compact (event_id, what, at) SELECT event_id, what, at FROM matrix_told ORDER BY event_id, what; -- sqlite
DROP TABLE matrix_told; -- sqlite
ALTER TABLE compact RENAME TO matrix_told; -- sqlite
CREATE INDEX matrix_told_at ON matrix_told (at); -- sqlite
-- Nobody looks there for the rows of a room.
DROP INDEX matrix_outbox_room;
