-- As the tables of the store: kept once by SQLite.
CREATE TABLE compact (room_id TEXT NOT NULL, session_id TEXT NOT NULL, sender TEXT NOT NULL, place BIGINT NOT NULL, event_id TEXT NOT NULL, PRIMARY KEY (room_id, session_id, sender, place)) WITHOUT ROWID; -- sqlite
INSERT INTO compact (room_id, session_id, sender, place, event_id) SELECT room_id, session_id, sender, place, event_id FROM e2ee_seen ORDER BY room_id, session_id, sender, place; -- sqlite
DROP TABLE e2ee_seen; -- sqlite
ALTER TABLE compact RENAME TO e2ee_seen; -- sqlite
SELECT 1; -- pg
