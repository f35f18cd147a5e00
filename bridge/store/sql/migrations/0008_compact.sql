-- In SQLite a table with a key of its own is kept twice, by row number and by key: once is enough for what is written with
-- every message.
CREATE TABLE compact (network TEXT NOT NULL, id TEXT NOT NULL, message TEXT NOT NULL, also INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (network, id)) WITHOUT ROWID; -- sqlite
INSERT INTO compact (network, id, message, also) SELECT network, id, message, also FROM ref ORDER BY network, id; -- sqlite
DROP TABLE ref; -- sqlite
ALTER TABLE compact RENAME TO ref; -- sqlite
CREATE INDEX ref_message ON ref (message); -- sqlite
CREATE TABLE compact (message TEXT NOT NULL, person TEXT NOT NULL, network TEXT NOT NULL, state TEXT NOT NULL, at BIGINT NOT NULL, reason TEXT, PRIMARY KEY (message, person)) WITHOUT ROWID; -- sqlite
INSERT INTO compact (message, person, network, state, at, reason) SELECT message, person, network, state, at, reason FROM recipient ORDER BY message, person; -- sqlite
DROP TABLE recipient; -- sqlite
ALTER TABLE compact RENAME TO recipient; -- sqlite
CREATE TABLE compact (message TEXT NOT NULL PRIMARY KEY, network TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0, next_at BIGINT NOT NULL DEFAULT 0, pos BIGINT NOT NULL DEFAULT 0) WITHOUT ROWID; -- sqlite
INSERT INTO compact (message, network, attempt, next_at, pos) SELECT message, network, attempt, next_at, pos FROM report; -- sqlite
DROP TABLE report; -- sqlite
ALTER TABLE compact RENAME TO report; -- sqlite
CREATE INDEX report_due ON report (network, next_at, pos); -- sqlite
-- A place in the order is given by the database, to whichever process asks.
CREATE SEQUENCE message_place; -- pg
SELECT setval('message_place', (SELECT COALESCE(MAX(pos), 0) + 1 FROM message), false); -- pg
DROP INDEX message_last; -- pg
