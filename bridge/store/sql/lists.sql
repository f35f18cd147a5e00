-- name: chats
SELECT conversation, chat FROM leg WHERE network = $1 AND chat > $2 ORDER BY chat LIMIT $3;
-- name: chats_of
-- Those of one millisecond are sorted.
SELECT m.joined_at, m.conversation,
  (SELECT l.chat FROM leg l WHERE l.conversation = m.conversation AND l.network = $2) AS chat FROM member m
WHERE m.person = $1 AND (m.joined_at, m.conversation) > ($3, $4) AND m.network = $2 ORDER BY m.joined_at, m.conversation LIMIT $5;
-- name: accounts
SELECT id, person FROM account WHERE network = $1 AND id > $2 ORDER BY id LIMIT $3;
-- name: messages
SELECT id, pos, network, ref, sender, address, kind, sent_at, accepted_at FROM message
WHERE conversation = $1 AND pos < $2 ORDER BY pos DESC LIMIT $3;
-- name: names
SELECT message, id FROM ref WHERE also = 0
AND network = $1 AND message = ANY (ARRAY(SELECT jsonb_array_elements_text($2::text::jsonb))); -- pg
AND +network = $1 AND message IN (SELECT value FROM json_each($2)); -- sqlite
-- name: meant
SELECT message, person, network, state, at, reason FROM recipient
WHERE message = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb))) ORDER BY message, person; -- pg
WHERE message IN (SELECT value FROM json_each($1)) ORDER BY message, person; -- sqlite
-- name: joined
SELECT m.joined_at, c.created_at FROM member m JOIN conversation c ON c.id = m.conversation
WHERE m.conversation = $1 AND m.person = $2;
-- name: taken_back
SELECT about FROM correction WHERE kind = 'removal'
AND about = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb))); -- pg
AND about IN (SELECT value FROM json_each($1)); -- sqlite
-- name: of_names
SELECT id, message FROM ref WHERE network = $1
AND id = ANY (ARRAY(SELECT jsonb_array_elements_text($2::text::jsonb))); -- pg
AND id IN (SELECT value FROM json_each($2)); -- sqlite
