-- Whether a message had a text of its own, which alone can be corrected. Of older ones nobody knows: they may.
ALTER TABLE connect_print ADD COLUMN wordless INTEGER NOT NULL DEFAULT 0;
-- What each product says that it can do.
CREATE TABLE connect_abilities (network TEXT NOT NULL PRIMARY KEY, said TEXT NOT NULL, at BIGINT NOT NULL);
