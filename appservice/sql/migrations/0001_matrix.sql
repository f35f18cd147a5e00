-- What has come from the homeserver and is not done; sealed, because some events are in clear.
CREATE TABLE matrix_inbox (
  stream @serial,
  event_id TEXT NOT NULL,
  room_id TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  sealed @blob NOT NULL,
  parked_session TEXT,
  parked_sender TEXT,
  parked_at BIGINT,
  told INTEGER NOT NULL DEFAULT 0
);
-- Every event id ever taken in, shortened: the homeserver may repeat old history.
CREATE TABLE matrix_seen (
  id TEXT NOT NULL PRIMARY KEY
) -- pg
) WITHOUT ROWID -- sqlite
;
-- What could not be worked on; kept for the operator.
CREATE TABLE matrix_dead (
  number @serial,
  event_id TEXT NOT NULL,
  room_id TEXT NOT NULL,
  at BIGINT NOT NULL,
  why TEXT NOT NULL,
  sealed @blob
);
-- Ghosts: written before they are registered. state: 0 intended, 1 registered, 2 ready (device and keys are there).
CREATE TABLE matrix_ghost (
  mxid TEXT NOT NULL PRIMARY KEY,
  state INTEGER NOT NULL,
  profile TEXT NOT NULL
);
CREATE TABLE matrix_room (
  room_id TEXT NOT NULL PRIMARY KEY,
  conversation TEXT,
  facts TEXT NOT NULL
);
CREATE INDEX matrix_room_conversation ON matrix_room (conversation);
CREATE TABLE matrix_member (
  room_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  membership TEXT NOT NULL,
  PRIMARY KEY (room_id, user_id)
);
-- Rooms about to be made: createRoom is not idempotent.
CREATE TABLE matrix_intent (
  conversation TEXT NOT NULL PRIMARY KEY,
  ghost TEXT NOT NULL,
  at BIGINT NOT NULL
);
-- Ciphertexts on their way. content is emptied once the echo was seen; nothing here is in clear.
CREATE TABLE matrix_outbox (
  id TEXT NOT NULL PRIMARY KEY,
  message TEXT NOT NULL,
  room_id TEXT NOT NULL,
  ghost TEXT NOT NULL,
  device TEXT NOT NULL,
  txn TEXT NOT NULL,
  type TEXT NOT NULL,
  content TEXT NOT NULL,
  cipher TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  event_id TEXT
);
CREATE INDEX matrix_outbox_room ON matrix_outbox (room_id);
-- What senders have been told already.
CREATE TABLE matrix_told (
  event_id TEXT NOT NULL,
  what TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (event_id, what)
);
CREATE INDEX matrix_told_at ON matrix_told (at);
