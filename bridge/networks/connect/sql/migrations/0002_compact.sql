-- As the tables of the store: kept once by SQLite.
CREATE TABLE compact (network TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, print @blob NOT NULL, PRIMARY KEY (network, id)) WITHOUT ROWID; -- sqlite
INSERT INTO compact (network, id, key, print) SELECT network, id, key, print FROM connect_print ORDER BY network, id; -- sqlite
DROP TABLE connect_print; -- sqlite
ALTER TABLE compact RENAME TO connect_print; -- sqlite
SELECT 1; -- pg
