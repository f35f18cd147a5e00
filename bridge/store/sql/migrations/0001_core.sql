CREATE TABLE account (
  network TEXT NOT NULL, id TEXT NOT NULL, person TEXT NOT NULL, declared_at BIGINT NOT NULL,
  PRIMARY KEY (network, id)
);
CREATE TABLE conversation (id TEXT PRIMARY KEY, created_at BIGINT NOT NULL);
CREATE TABLE leg (
  conversation TEXT NOT NULL REFERENCES conversation (id), network TEXT NOT NULL, chat TEXT,
  PRIMARY KEY (conversation, network)
);
CREATE UNIQUE INDEX leg_chat ON leg (network, chat);
CREATE TABLE member (
  conversation TEXT NOT NULL REFERENCES conversation (id), person TEXT NOT NULL, network TEXT NOT NULL,
  address TEXT NOT NULL, joined_at BIGINT NOT NULL,
  PRIMARY KEY (conversation, person)
);
-- pos: the place of the message in its conversation, one growing number for all conversations
CREATE TABLE message (
  id TEXT PRIMARY KEY, conversation TEXT NOT NULL, pos BIGINT NOT NULL, network TEXT NOT NULL, ref TEXT NOT NULL,
  chat TEXT NOT NULL, sender TEXT NOT NULL, address TEXT NOT NULL, kind TEXT NOT NULL,
  sent_at BIGINT NOT NULL, accepted_at BIGINT NOT NULL, version BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX message_pos ON message (conversation, pos);
CREATE TABLE ref (network TEXT NOT NULL, id TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (network, id));
CREATE INDEX ref_message ON ref (message);
CREATE TABLE recipient (
  message TEXT NOT NULL, person TEXT NOT NULL, network TEXT NOT NULL, state TEXT NOT NULL, at BIGINT NOT NULL, reason TEXT,
  PRIMARY KEY (message, person)
);
-- body: sealed; the row is gone once the network has the message. held = 1: waits for its place in the order
CREATE TABLE delivery (
  id TEXT PRIMARY KEY, message TEXT NOT NULL, conversation TEXT NOT NULL, network TEXT NOT NULL, pos BIGINT NOT NULL,
  held INTEGER NOT NULL, body @blob NOT NULL, reply_to TEXT, thread TEXT, created_at BIGINT NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 0, next_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX delivery_lane ON delivery (conversation, network, pos);
CREATE INDEX delivery_message ON delivery (message);
-- a sender's leg has to be told what became of this message
CREATE TABLE report (
  message TEXT PRIMARY KEY, network TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0, next_at BIGINT NOT NULL DEFAULT 0
);
