-- Who takes a place of a conversation (a function), until when; brought = 1: is a member for that reason only.
CREATE TABLE seat (
  conversation TEXT NOT NULL, function TEXT NOT NULL, person TEXT NOT NULL, brought INTEGER NOT NULL,
  since BIGINT NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (conversation, function, person)
);
-- A conversation in which something for a function waits to be read. asked: JSON, who was asked so far. step: how often
-- it was passed on; told: the last step that was said in the conversation. due_at: when it is
-- passed on; look_at: when it is looked at, which is at once when something was read or answered. noted: how
-- often that was.
CREATE TABLE watch (
  conversation TEXT NOT NULL, function TEXT NOT NULL, urgent INTEGER NOT NULL, step INTEGER NOT NULL, told INTEGER NOT NULL,
  asked TEXT NOT NULL, due_at BIGINT NOT NULL, look_at BIGINT NOT NULL,
  noted BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (conversation, function)
);
CREATE INDEX watch_look ON watch (look_at);
-- What waits there. body: sealed, gone once it is read. copy: the message in which it was passed on last.
-- taken: who on duty has answered since.
CREATE TABLE watched (
  message TEXT NOT NULL, function TEXT NOT NULL, conversation TEXT NOT NULL, at BIGINT NOT NULL, body @blob NOT NULL,
  copy TEXT, taken TEXT, PRIMARY KEY (message, function)
);
CREATE INDEX watched_conversation ON watched (conversation, function, at);
CREATE INDEX watched_copy ON watched (copy);
