-- A room says by an opaque name what it was made for: people may write in it before the hub has noted it.
ALTER TABLE matrix_intent ADD COLUMN marker TEXT;
CREATE INDEX matrix_intent_marker ON matrix_intent (marker);
