-- What an operator asks: each look reads a bounded number of rows of an index, however much waits.

-- name: waiting
SELECT COUNT(*) AS n FROM (SELECT 1 FROM delivery WHERE network = $1 AND held = 0 AND pos > -1 ORDER BY pos LIMIT $2) AS first;
-- name: held
SELECT COUNT(*) AS n FROM (SELECT 1 FROM delivery WHERE held = 1 AND pos > -1 ORDER BY pos LIMIT $1) AS first;
-- name: reports
SELECT COUNT(*) AS n FROM (SELECT 1 FROM report WHERE network = $1 AND next_at > -1 ORDER BY next_at LIMIT $2) AS first;
-- name: oldest
SELECT created_at FROM delivery WHERE network = $1 AND late = $2 AND created_at > 0 ORDER BY created_at LIMIT 1;
-- name: queue
SELECT id, message, conversation, network, created_at, attempt, next_at, held, pos FROM delivery
WHERE network = $1 AND held = 0 AND pos > $2 ORDER BY pos LIMIT $3;
-- name: lane
SELECT id, message, conversation, network, created_at, attempt, next_at, held, pos FROM delivery
WHERE conversation = $1 AND network = $2 AND held = $3 ORDER BY pos LIMIT $4;
-- name: delivery
SELECT id, message, conversation, network, created_at, attempt, next_at, held, pos FROM delivery WHERE id = $1;
-- name: deliveries_of
SELECT id, message, conversation, network, created_at, attempt, next_at, held, pos FROM delivery WHERE message = $1 ORDER BY network;
-- name: message
SELECT id, conversation, network, sender, kind, sent_at, accepted_at FROM message WHERE id = $1;
-- name: names
SELECT network, id FROM ref WHERE message = $1 ORDER BY also, network, id LIMIT $2;
-- name: states
SELECT person, network, state, at, reason FROM recipient WHERE message = $1 ORDER BY network, person;
-- name: states_counted
SELECT network, state, COUNT(*) AS n FROM recipient WHERE message = $1 GROUP BY network, state ORDER BY network, state;
-- name: report
SELECT network, attempt, next_at FROM report WHERE message = $1;
-- name: changes
SELECT message, kind FROM correction WHERE about = $1 ORDER BY kind, sent_at LIMIT $2;
-- name: newest
SELECT id FROM message WHERE conversation = $1 AND pos > -1 ORDER BY pos DESC LIMIT $2;
-- name: conversation
SELECT id, created_at FROM conversation WHERE id = $1;
-- name: legs
SELECT g.network, g.chat, (SELECT l.since FROM late_leg l WHERE l.network = g.network AND l.conversation = $1) AS late
FROM leg g WHERE g.conversation = $1 ORDER BY g.network;
-- name: members
SELECT person, network, address FROM member WHERE conversation = $1 ORDER BY joined_at, person LIMIT $2;
-- name: rooms_of
SELECT l.chat FROM member m JOIN leg l ON l.conversation = m.conversation AND l.network = $2
WHERE m.person = $1 AND m.network = $2 AND m.address = $3 AND l.chat IS NOT NULL;
-- name: conversations
SELECT conversation, network, address, joined_at FROM member WHERE person = $1 AND joined_at > -1
ORDER BY joined_at DESC LIMIT $2;
-- name: said
SELECT id, sender, network, kind, accepted_at FROM message WHERE conversation = $1 AND pos > -1 ORDER BY pos DESC LIMIT $2;
-- name: leg_is_late
INSERT INTO late_leg (network, conversation, since) VALUES ($1, $2, $3)
ON CONFLICT (network, conversation) DO NOTHING RETURNING conversation;
-- name: late_legs
SELECT COUNT(*) AS n FROM (SELECT 1 FROM late_leg WHERE network = $1 AND conversation > '' ORDER BY conversation LIMIT $2) AS first;
-- name: late_legs_after
SELECT l.conversation, l.since, (SELECT 1 FROM delivery d
  WHERE d.conversation = l.conversation AND d.network = $1 AND d.late = 1 LIMIT 1) AS waits
FROM late_leg l WHERE l.network = $1 AND l.conversation > $2 ORDER BY l.conversation LIMIT $3;
-- name: leg_goes_on
DELETE FROM late_leg WHERE network = $1 AND conversation = $2 RETURNING conversation;
