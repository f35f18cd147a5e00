-- A file that a product has uploaded (message is null), or may fetch as a part of a message. What opens it is sealed in
-- about; it is forgotten at forget_at (ms), and with it the file, which nobody can read any more.
CREATE TABLE connect_file (
  id TEXT NOT NULL PRIMARY KEY, network TEXT NOT NULL, message TEXT, about @blob NOT NULL, forget_at BIGINT NOT NULL
);
CREATE INDEX connect_file_forget_at ON connect_file (forget_at);
CREATE INDEX connect_file_message ON connect_file (message) WHERE message IS NOT NULL;
