-- Whose messages a user of the homeserver does not want, as the homeserver's module has told.
CREATE TABLE matrix_unwanted (
  user_id TEXT NOT NULL, person TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (user_id, person)
);
