-- name: sealed, NULL for none. named: the message that gave or took it last
ALTER TABLE conversation ADD COLUMN name @blob;
ALTER TABLE conversation ADD COLUMN named TEXT;
