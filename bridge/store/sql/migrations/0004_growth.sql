-- Nothing that is done for a message or a receipt looks at more rows because a room is old.

-- The last place that was given; no look at a conversation is meant to use this one, hence the sign.
CREATE INDEX message_last ON message ((-pos));

-- Up to which place each person's messages of a conversation were looked at by a read receipt: none before it is open.
CREATE TABLE reading (
  conversation TEXT NOT NULL, person TEXT NOT NULL, pos BIGINT NOT NULL, PRIMARY KEY (conversation, person)
);
INSERT INTO reading (conversation, person, pos)
SELECT m.conversation, r.person,
       COALESCE(MIN(CASE WHEN r.state IN ('accepted', 'sent', 'delivered') THEN m.pos END) - 1, MAX(m.pos))
FROM recipient r JOIN message m ON m.id = r.message GROUP BY m.conversation, r.person;
INSERT INTO reading (conversation, person, pos)
SELECT o.conversation, o.person, COALESCE((SELECT MAX(m.pos) FROM message m WHERE m.conversation = o.conversation), 0)
FROM member o WHERE NOT EXISTS
  (SELECT 1 FROM reading r WHERE r.conversation = o.conversation AND r.person = o.person);

-- People for whom a network keeps messages until they join a chat, and the place of the first of these messages.
CREATE TABLE awaited (
  network TEXT NOT NULL, conversation TEXT NOT NULL, person TEXT NOT NULL, pos BIGINT NOT NULL,
  PRIMARY KEY (network, conversation, person)
);
INSERT INTO awaited (network, conversation, person, pos)
SELECT r.network, m.conversation, r.person, MIN(m.pos) FROM recipient r JOIN message m ON m.id = r.message
WHERE r.state = 'sent' AND r.network = 'matrix' GROUP BY r.network, m.conversation, r.person;

-- Reports in the order in which they are due.
ALTER TABLE report ADD COLUMN pos BIGINT NOT NULL DEFAULT 0;
UPDATE report SET pos = (SELECT m.pos FROM message m WHERE m.id = report.message);
CREATE INDEX report_due ON report (network, next_at, pos);

-- late = 1: its writer was told that it waits.
ALTER TABLE delivery ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
CREATE INDEX delivery_late ON delivery (conversation, network, created_at) WHERE late = 0;

-- Exactly which people a conversation has, as one word (NULL: to be computed).
ALTER TABLE conversation ADD COLUMN audience TEXT;
CREATE INDEX conversation_audience ON conversation (audience, created_at DESC, id);
CREATE INDEX conversation_unknown ON conversation (id) WHERE audience IS NULL;
