-- name: declare
INSERT INTO account (network, id, person, declared_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (network, id) DO UPDATE SET person = excluded.person, declared_at = excluded.declared_at, proof = 0, proven_at = 0;
-- name: prove
UPDATE account SET proof = $3, proven_at = $4 WHERE network = $1 AND id = $2;

-- name: names
SELECT person, name FROM name WHERE person > $1 ORDER BY person LIMIT $2;
-- name: call
INSERT INTO name (person, name) VALUES ($1, $2) ON CONFLICT (person) DO UPDATE SET name = excluded.name;

-- name: by_ref
SELECT m.id, m.conversation FROM ref r JOIN message m ON m.id = r.message WHERE r.network = $1 AND r.id = $2;
-- name: writer
SELECT m.id, m.sender, m.kind, m.network FROM ref r JOIN message m ON m.id = r.message WHERE r.network = $1 AND r.id = $2;
-- name: add_ref
INSERT INTO ref (network, id, message) VALUES ($1, $2, $3) ON CONFLICT (network, id) DO UPDATE SET also = 0
WHERE ref.also = 1 AND ref.message = excluded.message;
-- name: add_own_ref
INSERT INTO ref (network, id, message) VALUES ($1, $2, $3);
-- name: also
INSERT INTO ref (network, id, message, also) VALUES ($1, $2, $3, 1) ON CONFLICT (network, id) DO NOTHING;
-- name: other_names
UPDATE ref SET also = 1 WHERE message = $2 AND network = $1;
-- name: own_name
INSERT INTO ref (network, id, message) VALUES ($1, $2, $3) ON CONFLICT (network, id) DO UPDATE SET also = 0
WHERE ref.message = excluded.message;

-- name: add_conversation
INSERT INTO conversation (id, created_at) VALUES ($1, $2);
-- name: leg_by_chat
SELECT conversation FROM leg WHERE network = $1 AND chat = $2;
-- name: legs
SELECT l.network, l.chat, c.name, c.named FROM leg l JOIN conversation c ON c.id = l.conversation WHERE l.conversation = $1;
-- name: name_conversation
UPDATE conversation SET name = $2, named = $3 WHERE id = $1;
-- name: set_pictured
UPDATE conversation SET pictured = $2 WHERE id = $1;
-- name: pictured
SELECT pictured FROM conversation WHERE id = $1;
-- name: add_leg
INSERT INTO leg (conversation, network, chat) VALUES ($1, $2, $3) ON CONFLICT (conversation, network) DO NOTHING;
-- name: bind
UPDATE leg SET chat = $3 WHERE conversation = $1 AND network = $2;
-- name: members
SELECT person, network, address FROM member WHERE conversation = $1 ORDER BY joined_at, person;
-- name: written_with
SELECT person, joined_at FROM member WHERE person <> $1 AND conversation IN
  (SELECT conversation FROM member WHERE person = $1 ORDER BY joined_at DESC LIMIT $2);
-- name: standing
SELECT person FROM member WHERE conversation = $1 AND NOT EXISTS
  (SELECT 1 FROM seat s WHERE s.conversation = member.conversation AND s.person = member.person AND s.brought > 0);
-- name: among
SELECT c.id FROM conversation c WHERE c.audience = $1
AND EXISTS (SELECT 1 FROM member m WHERE m.conversation = c.id AND m.network = $2 AND m.address = $3) ORDER BY c.created_at DESC, c.id LIMIT 1;
-- name: set_audience
UPDATE conversation SET audience = $2 WHERE id = $1;
-- name: without_audience
SELECT id FROM conversation WHERE audience IS NULL LIMIT $1;
-- name: add_member
INSERT INTO member (conversation, person, network, address, joined_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (conversation, person) DO UPDATE SET network = excluded.network, address = excluded.address;
-- name: begin_reading
INSERT INTO looked_at (conversation, person, network, pos)
SELECT $1, $2, $3, COALESCE(MAX(pos), 0) FROM message WHERE conversation = $1
ON CONFLICT (conversation, person, network) DO NOTHING;
-- name: remove_member
DELETE FROM member WHERE conversation = $1 AND person = $2;
-- name: chats_at
SELECT m.conversation, l.chat FROM member m CROSS JOIN leg l WHERE l.conversation = m.conversation
AND l.network = m.network AND m.person = $1 AND m.network = $2 AND m.address = $3 AND l.chat IS NOT NULL
ORDER BY m.conversation;
-- name: move_out
DELETE FROM member WHERE person = $1 AND network = $2 AND address = $3 RETURNING conversation;
-- name: withdraw
UPDATE recipient SET state = 'refused', at = $4, reason = $5
WHERE person = $1 AND network = $3 AND state = 'accepted' AND message IN
  (SELECT d.message FROM delivery d WHERE d.conversation = $2 AND d.network = $3) RETURNING message;
-- name: end_withdrawn
DELETE FROM delivery WHERE conversation = $1 AND network = $2
AND NOT EXISTS (SELECT 1 FROM recipient r WHERE r.message = delivery.message AND r.network = $2 AND r.state = 'accepted')
AND (EXISTS (SELECT 1 FROM recipient r WHERE r.message = delivery.message AND r.network = $2)
     OR NOT EXISTS (SELECT 1 FROM member m WHERE m.conversation = $1 AND m.network = $2)) RETURNING message;

-- name: add_message
INSERT INTO message (pos, id, conversation, network, ref, chat, sender, address, kind, sent_at, accepted_at)
VALUES (nextval('message_place'), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10); -- pg
VALUES (COALESCE((SELECT pos FROM message ORDER BY -pos LIMIT 1), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10); -- sqlite
-- name: add_recipient
INSERT INTO recipient (message, person, network, state, at) VALUES ($1, $2, $3, 'accepted', $4);
-- name: add_recipients
-- The same for many: pairs of person and network.
INSERT INTO recipient (message, person, network, state, at)
SELECT $1, value ->> 0, value ->> 1, 'accepted', $3 FROM jsonb_array_elements($2::text::jsonb); -- pg
SELECT $1, json_extract(value, '$[0]'), json_extract(value, '$[1]'), 'accepted', $3 FROM json_each($2); -- sqlite
-- name: recipients
SELECT person, network, state FROM recipient WHERE message = $1;
-- name: add_delivery
INSERT INTO delivery (id, message, pos, conversation, network, held, body, reply_to, thread, created_at)
VALUES ($1, $2, (SELECT m.pos FROM message m WHERE m.id = $2), $3, $4, $5, $6, $7, $8, $9);
-- name: add_file
INSERT INTO file (message, n, about, body) VALUES ($1, $2, $3, $4);
-- name: files
SELECT n, about, body FROM file WHERE message = $1 ORDER BY n;
-- name: end_files
DELETE FROM file WHERE message = $1 AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.message = $1)
AND NOT EXISTS (SELECT 1 FROM watched WHERE watched.message = $1);

-- name: held
SELECT message, conversation, pos FROM delivery WHERE held = 1 AND pos > $1 ORDER BY pos LIMIT $2;
-- name: held_networks
SELECT conversation, network, reply_to FROM delivery WHERE message = $1 AND held = 1;
-- name: held_among
SELECT message FROM delivery WHERE held = 1
AND message = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb))); -- pg
AND message IN (SELECT value FROM json_each($1)); -- sqlite
-- name: on_its_way
SELECT d.id FROM leg l JOIN delivery d ON d.conversation = l.conversation AND d.network = l.network
WHERE l.network = $1 AND l.chat = $2 AND d.held = 0 LIMIT 1;
-- name: release
UPDATE delivery SET held = 0, pos = (SELECT m.pos FROM message m WHERE m.id = $1) WHERE message = $1 AND held = 1;
-- name: place
UPDATE message SET pos = nextval('message_place') WHERE id = $1; -- pg
UPDATE message SET pos = (SELECT pos FROM message ORDER BY -pos LIMIT 1) + 1 WHERE id = $1; -- sqlite
-- name: place_after
UPDATE message SET pos = nextval('message_place') -- pg
UPDATE message SET pos = (SELECT pos FROM message ORDER BY -pos LIMIT 1) + 1 -- sqlite
WHERE id = $1
AND EXISTS (SELECT 1 FROM message m WHERE m.conversation = message.conversation AND m.pos > message.pos LIMIT 1);

-- name: lanes_of
SELECT conversation, pos, next_at FROM delivery WHERE network = $1 AND held = 0 AND pos > $2 ORDER BY pos LIMIT $3;
-- name: again
SELECT conversation FROM delivery WHERE network = $1 AND held = 0 AND next_at > 0 AND next_at <= $2 ORDER BY next_at LIMIT $3;
-- name: next_again
SELECT MIN(next_at) AS next_at FROM delivery WHERE network = $1 AND held = 0 AND next_at > 0 AND next_at > $2;
-- name: postpone
UPDATE delivery SET next_at = $3 WHERE id =
  (SELECT id FROM delivery WHERE conversation = $1 AND network = $2 AND held = 0 ORDER BY pos LIMIT 1);
-- name: hurry
UPDATE delivery SET next_at = 0 WHERE id =
  (SELECT id FROM delivery WHERE conversation = $1 AND network = $2 AND held = 0 ORDER BY pos LIMIT 1);
-- name: older
SELECT id, message, conversation FROM delivery
WHERE network = $1 AND late = $2 AND created_at < $3 AND held <= $4 ORDER BY created_at LIMIT $5;
-- name: lane
SELECT d.id, d.message, d.pos, d.body, d.reply_to, d.thread, d.attempt, d.next_at, d.created_at,
       m.sender, m.kind, m.sent_at, l.chat,
  (SELECT json_group_array(json_array(r.person, r.network, r.state)) FROM recipient r WHERE r.message = d.message) AS meant -- sqlite
  (SELECT COALESCE(json_agg(json_build_array(r.person, r.network, r.state)), '[]')::text -- pg
   FROM recipient r WHERE r.message = d.message) AS meant -- pg
FROM delivery d JOIN message m ON m.id = d.message
LEFT JOIN leg l ON l.conversation = d.conversation AND l.network = d.network
WHERE d.conversation = $1 AND d.network = $2 AND d.held = 0 ORDER BY d.pos LIMIT $3;
-- name: ref_on
SELECT r.id, m.conversation, m.kind, m.sender, m.sent_at FROM message m
LEFT JOIN ref r ON r.message = m.id AND r.network = $2 WHERE m.id = $1 ORDER BY r.also, r.id LIMIT 1;
-- name: parts
SELECT id FROM ref WHERE network = $2 AND message = $1 ORDER BY also, id;
-- name: waits
SELECT held FROM delivery WHERE id = $1;
-- name: behind
UPDATE delivery SET pos = (SELECT m.pos FROM message m WHERE m.id = $2) WHERE id = $1;
-- name: texts
-- also: 0 the name that others answer to, 1 a file, more: the n-th part of the text
SELECT id FROM ref WHERE network = $1 AND message = (SELECT message FROM ref WHERE network = $1 AND id = $2)
AND also <> 1 ORDER BY also, id;
-- name: add_part
INSERT INTO ref (network, id, message, also) VALUES ($1, $2, $3, $4) ON CONFLICT (network, id) DO UPDATE
SET also = excluded.also WHERE ref.message = excluded.message AND ref.also = 1;
-- name: later
UPDATE delivery SET attempt = $2, next_at = $3 WHERE id = $1;
-- name: waiting_of
SELECT id, network, attempt, created_at, body FROM delivery WHERE message = $1;
-- name: rewrite
UPDATE delivery SET body = $2 WHERE id = $1;
-- name: end_delivery
DELETE FROM delivery WHERE id = $1;

-- name: delivered
UPDATE recipient SET state = 'delivered', at = $3, reason = NULL WHERE message = $1 AND network = $2 AND state = 'accepted';
-- name: refused
-- Whoever was only invited has not left.
UPDATE recipient SET state = 'refused', at = $3, reason =
  CASE WHEN $4 = 'left_before' AND reason IN ('invited', 'not_joined_yet') THEN 'not_joined' ELSE $4 END
WHERE message = $1 AND network = $2 AND state = 'accepted';
-- name: taken
UPDATE recipient SET state = 'sent', at = $4, reason = $5
WHERE message = $1 AND person = $2 AND network = $3 AND state = 'accepted' RETURNING message;
-- name: await
INSERT INTO awaited (network, conversation, person, pos, at, late)
SELECT $2, conversation, $3, pos, CAST($4 AS BIGINT), CAST($5 AS INTEGER) FROM message WHERE id = $1
ON CONFLICT (network, conversation, person) DO UPDATE SET late = 0,
at = CASE WHEN awaited.late = 1 THEN excluded.at ELSE awaited.at END WHERE excluded.late = 0;
-- name: not_in
SELECT conversation, person FROM awaited WHERE network = $1 AND late = 0 AND at < $2 ORDER BY at LIMIT $3;
-- name: is_in
UPDATE awaited SET late = 1 WHERE network = $1 AND conversation = $2 AND person = $3;
-- name: declined
UPDATE recipient SET state = 'refused', at = $4, reason = $5
WHERE person = $3 AND network = $1 AND state = 'accepted' AND message IN
  (SELECT d.message FROM delivery d WHERE d.conversation = $2 AND d.network = $1) RETURNING message;
-- name: keep
UPDATE recipient SET reason = CASE WHEN reason = 'late' THEN 'not_joined_yet' ELSE $3 END
WHERE network = $2 AND state = 'accepted' AND (reason IS NULL OR reason = 'late') AND message IN
  (SELECT d.message FROM delivery d WHERE d.conversation = $1 AND d.network = $2 AND d.held = 0 ORDER BY d.pos LIMIT 100)
RETURNING message;
-- name: kept
SELECT id, pos FROM message WHERE conversation = $2
AND pos >= (SELECT pos FROM awaited WHERE network = $1 AND conversation = $2 AND person = $3) ORDER BY pos LIMIT 100;
-- name: arrived
UPDATE recipient SET state = $5, at = $4, reason = $6 WHERE person = $3 AND network = $2 AND state = 'sent'
AND message = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb))) RETURNING message; -- pg
AND message IN (SELECT value FROM json_each($1)) RETURNING message; -- sqlite
-- name: kept_after
SELECT id, pos FROM message WHERE conversation = $2 AND pos > $4
AND pos >= (SELECT pos FROM awaited WHERE network = $1 AND conversation = $2 AND person = $3) ORDER BY pos LIMIT 100;
-- name: why
UPDATE recipient SET reason = $4, at = $3 WHERE person = $2 AND network = $1 AND state = 'sent' AND reason IS NULL
AND message = ANY (ARRAY(SELECT jsonb_array_elements_text($5::text::jsonb))) RETURNING message; -- pg
AND message IN (SELECT value FROM json_each($5)) RETURNING message; -- sqlite
-- name: await_from
UPDATE awaited SET pos = $4 WHERE network = $1 AND conversation = $2 AND person = $3;
-- name: end_await
-- unless something was noted for them since it was looked
DELETE FROM awaited WHERE network = $1 AND conversation = $2 AND person = $3
AND NOT EXISTS (SELECT 1 FROM
  (SELECT m.id FROM message m WHERE m.conversation = $2 AND m.pos >= awaited.pos ORDER BY m.pos LIMIT 100) AS next
  CROSS JOIN recipient r WHERE r.message = next.id AND r.person = $3 AND r.network = $1 AND r.state = 'sent');
-- name: chats_waiting
SELECT DISTINCT l.chat FROM awaited a JOIN leg l ON l.conversation = a.conversation AND l.network = a.network
WHERE a.network = $1 AND l.chat IS NOT NULL;
-- name: late
UPDATE recipient SET reason = CASE WHEN reason = 'invited' THEN 'not_joined_yet' ELSE 'late' END
WHERE message = $1 AND network = $2 AND state = 'accepted' AND (reason IS NULL OR reason = 'invited') RETURNING message;
-- name: stuck
UPDATE recipient SET reason = $3
WHERE message = $1 AND network = $2 AND state = 'accepted' AND (reason IS NULL OR reason = 'late') RETURNING message;
-- name: set_late
UPDATE delivery SET late = 1 WHERE id = $1;
-- name: received
UPDATE recipient SET state = 'delivered', at = $4, reason = NULL
WHERE message = $1 AND person = $2 AND network = $3 AND state IN ('accepted', 'sent') RETURNING message;
-- name: seen
-- Whoever has no key for a message has seen that there is one, and has not read it.
UPDATE recipient SET state = 'read', at = $4, reason = NULL
WHERE message = $1 AND person = $2 AND network = $3 AND state IN ('accepted', 'sent', 'delivered')
AND (reason IS NULL OR reason NOT LIKE 'recipient_%') RETURNING message;
-- name: failed
UPDATE recipient SET state = 'refused', at = $4, reason =
  CASE WHEN $5 = 'left_before' AND reason IN ('invited', 'not_joined_yet') THEN 'not_joined' ELSE $5 END
WHERE message = $1 AND person = $2 AND network = $3 AND state IN ('accepted', 'sent', 'delivered') RETURNING message;
-- name: unread
-- held: NULL where the network has it, else whether it waits for its place (1), or in its lane (0), there behind what
-- was read (2); own: of what was read itself
SELECT id, pos, conversation, (SELECT CASE WHEN d.held = 0 AND d.pos >
  (SELECT o.pos FROM delivery o WHERE o.message = $1 AND o.network = $3) THEN 2 ELSE d.held END
  FROM delivery d WHERE d.message = message.id AND d.network = $3) AS held,
(SELECT d.held FROM delivery d WHERE d.message = $1 AND d.network = $3) AS own FROM message WHERE conversation = (SELECT conversation FROM message WHERE id = $1)
AND pos > GREATEST( -- pg
AND pos > MAX( -- sqlite
  CAST($4 AS BIGINT), (SELECT COALESCE(MAX(r.pos), 0) FROM message m JOIN looked_at r ON r.conversation = m.conversation
                       WHERE m.id = $1 AND r.person = $2 AND r.network = $3))
AND pos <= (SELECT pos FROM message WHERE id = $1) ORDER BY pos LIMIT 100;
-- name: unread_of
SELECT newest.id FROM (SELECT m.id FROM message m WHERE m.conversation =
  (SELECT l.conversation FROM leg l WHERE l.network = $1 AND l.chat = $2) ORDER BY m.pos DESC LIMIT 100) AS newest
CROSS JOIN recipient r WHERE r.message = newest.id AND r.network = $1 AND r.state IN ('accepted', 'sent', 'delivered') LIMIT 1;
-- name: reading
-- Whose key comes at the same time waits: both look at what was read up to where.
SELECT pos FROM looked_at WHERE conversation = (SELECT conversation FROM message WHERE id = $1)
AND person = $2 AND network = $3
FOR UPDATE -- pg
-- name: read_anew
-- What could not be read when its reader had come that far is read by their next receipt.
UPDATE looked_at SET pos = LEAST(pos, $4) -- pg
UPDATE looked_at SET pos = MIN(pos, $4) -- sqlite
WHERE network = $1 AND conversation = $2 AND person = $3;
-- name: read
UPDATE recipient SET state = 'read', at = $3, reason = NULL
WHERE person = $2 AND network = $4 AND state IN ('accepted', 'sent', 'delivered')
AND (reason IS NULL OR reason NOT LIKE 'recipient_%')
AND message = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb))) RETURNING message; -- pg
AND message IN (SELECT value FROM json_each($1)) RETURNING message; -- sqlite
-- name: has_read
INSERT INTO looked_at (conversation, person, network, pos) VALUES ($1, $2, $3, $4)
ON CONFLICT (conversation, person, network) DO UPDATE SET pos = excluded.pos WHERE looked_at.pos < excluded.pos;
-- name: changed
UPDATE message SET version = version + 1 WHERE id = $1;
-- name: add_report
INSERT INTO report (message, network, pos) SELECT id, network, pos FROM message WHERE id = $1 AND kind NOT IN ('members', 'name')
ON CONFLICT (message) DO NOTHING;

-- name: reports
SELECT r.message, r.attempt, m.network, m.ref, m.conversation, m.chat, m.address, m.version, m.pos
FROM report r JOIN message m ON m.id = r.message WHERE r.network = $1 AND r.next_at <= $2
ORDER BY r.next_at, r.pos LIMIT $3;
-- name: next_report
SELECT MIN(next_at) AS next_at FROM report WHERE network = $1;
-- name: states
SELECT message, person, state, at, reason FROM recipient
WHERE message = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb))) ORDER BY message, person; -- pg
WHERE message IN (SELECT value FROM json_each($1)) ORDER BY message, person; -- sqlite
-- name: end_report
DELETE FROM report WHERE message = $1 AND $2 = (SELECT version FROM message WHERE id = $1); -- sqlite
WITH now AS (SELECT version FROM message WHERE id = $1 FOR UPDATE) -- pg
DELETE FROM report USING now WHERE report.message = $1 AND now.version = $2; -- pg
-- name: drop_report
DELETE FROM report WHERE message = $1;
-- name: report_later
UPDATE report SET attempt = attempt + 1, next_at = $2 WHERE message = $1;
-- name: status
SELECT id, conversation, network, ref, chat, address, kind, accepted_at FROM message WHERE id = $1;
