-- What an edit of a text needs that is the caption of a file: the rest of its event, sealed. Without ``content``: it was
-- one, too long ago.
CREATE TABLE matrix_caption (
  id TEXT NOT NULL PRIMARY KEY,
  content BYTEA,
  at BIGINT
);
CREATE INDEX matrix_caption_at ON matrix_caption (at);
