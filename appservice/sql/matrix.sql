-- name: last_stream
SELECT COALESCE(MAX(stream), 0) AS stream FROM matrix_inbox;

-- name: see
INSERT INTO matrix_seen (id) SELECT jsonb_array_elements_text($1::text::jsonb) ON CONFLICT DO NOTHING RETURNING id; -- pg
INSERT INTO matrix_seen (id) SELECT value FROM json_each($1) WHERE true ON CONFLICT DO NOTHING RETURNING id; -- sqlite

-- name: seen_of
SELECT id FROM matrix_seen WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb))); -- pg
SELECT id FROM matrix_seen WHERE id IN (SELECT value FROM json_each($1)); -- sqlite

-- name: rooms
SELECT room_id FROM matrix_room WHERE conversation IS NOT NULL LIMIT $1;

-- name: inbox_add
INSERT INTO matrix_inbox (stream, event_id, room_id, received_at, sealed) VALUES ($1, $2, $3, $4, $5);

-- name: inbox_move
UPDATE matrix_inbox SET stream = $2 WHERE stream = $1;

-- name: inbox
SELECT stream, event_id, room_id, parked_session, parked_sender, parked_at, told FROM matrix_inbox
WHERE stream > $1 ORDER BY stream LIMIT $2;

-- name: inbox_waits
SELECT COUNT(*) AS n, COUNT(parked_at) AS parked, MIN(parked_at) AS oldest_parked,
  MIN(CASE WHEN parked_at IS NULL THEN received_at END) AS oldest
FROM (SELECT received_at, parked_at FROM matrix_inbox WHERE stream > 0 ORDER BY stream LIMIT $1) AS first;

-- name: inbox_by_event
SELECT room_id, received_at, parked_at
FROM (SELECT event_id, room_id, received_at, parked_at FROM matrix_inbox WHERE stream > 0 ORDER BY stream LIMIT $1) AS first
WHERE event_id = $2 LIMIT 1;

-- name: inbox_event
SELECT sealed FROM matrix_inbox WHERE stream = $1;

-- name: inbox_done
DELETE FROM matrix_inbox WHERE stream = $1;

-- name: park
UPDATE matrix_inbox SET parked_session = $2, parked_sender = $3, parked_at = $4 WHERE stream = $1;

-- name: park_told
UPDATE matrix_inbox SET told = 1 WHERE stream = $1;

-- name: bury
INSERT INTO matrix_dead (event_id, room_id, at, why, sealed) VALUES ($1, $2, $3, $4, $5);

-- name: ghosts
SELECT mxid, state, profile FROM matrix_ghost WHERE mxid > $1 ORDER BY mxid LIMIT $2;

-- name: ghost
INSERT INTO matrix_ghost (mxid, state, profile) VALUES ($1, $2, $3)
ON CONFLICT (mxid) DO UPDATE SET state = excluded.state, profile = excluded.profile;

-- name: room
SELECT room_id, conversation, facts FROM matrix_room WHERE room_id = $1;

-- name: room_of
SELECT room_id FROM matrix_room WHERE conversation = $1;

-- name: room_unbind
UPDATE matrix_room SET conversation = NULL WHERE conversation =
  (SELECT old.conversation FROM matrix_room old WHERE old.room_id = $1);

-- name: room_save
INSERT INTO matrix_room (room_id, conversation, facts) VALUES ($1, $2, $3)
ON CONFLICT (room_id) DO UPDATE SET conversation = excluded.conversation, facts = excluded.facts;

-- name: members
SELECT user_id, membership FROM matrix_member WHERE room_id = $1;

-- name: member_save
INSERT INTO matrix_member (room_id, user_id, membership) VALUES ($1, $2, $3)
ON CONFLICT (room_id, user_id) DO UPDATE SET membership = excluded.membership;

-- name: intent
SELECT ghost FROM matrix_intent WHERE conversation = $1;

-- name: made_for
SELECT conversation, ghost FROM matrix_intent WHERE marker = $1;

-- name: intend
INSERT INTO matrix_intent (conversation, ghost, at, marker) VALUES ($1, $2, $3, $4) ON CONFLICT (conversation) DO NOTHING;

-- name: intended
DELETE FROM matrix_intent WHERE conversation = $1;

-- name: outbox
SELECT id, message, room_id, ghost, device, txn, type, content, cipher, created_at, event_id FROM matrix_outbox
WHERE id > $1 ORDER BY id LIMIT $2;

-- name: outbox_echoes
SELECT id, event_id FROM matrix_outbox WHERE id > $1 ORDER BY id LIMIT $2;

-- name: outbox_add
INSERT INTO matrix_outbox (id, message, room_id, ghost, device, txn, type, content, cipher, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO UPDATE SET room_id = excluded.room_id, ghost = excluded.ghost, device = excluded.device,
  txn = excluded.txn, type = excluded.type, content = excluded.content, cipher = excluded.cipher,
  created_at = excluded.created_at;

-- name: outbox_echo
UPDATE matrix_outbox SET event_id = $2, content = '' WHERE id = $1;

-- name: outbox_end
DELETE FROM matrix_outbox WHERE id = $1;

-- name: told
SELECT event_id, what FROM matrix_told
WHERE event_id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb))); -- pg
WHERE event_id IN (SELECT value FROM json_each($1)); -- sqlite

-- name: tell
INSERT INTO matrix_told (event_id, what, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: told_clean
DELETE FROM matrix_told WHERE at < $1 AND event_id
= ANY (ARRAY(SELECT event_id FROM matrix_told WHERE at < $1 ORDER BY at LIMIT 500)) RETURNING event_id; -- pg
IN (SELECT event_id FROM matrix_told WHERE at < $1 ORDER BY at LIMIT 500) RETURNING event_id; -- sqlite

-- name: caption
SELECT content FROM matrix_caption WHERE id = $1;

-- name: caption_keep
INSERT INTO matrix_caption (id, content, at) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET content = excluded.content, at = excluded.at;

-- name: caption_end
DELETE FROM matrix_caption WHERE id = $1;

-- name: captions_clean
UPDATE matrix_caption SET content = NULL, at = NULL WHERE id
= ANY (ARRAY(SELECT id FROM matrix_caption WHERE at < $1 ORDER BY at LIMIT 500)) RETURNING id; -- pg
IN (SELECT id FROM matrix_caption WHERE at < $1 ORDER BY at LIMIT 500) RETURNING id; -- sqlite

-- name: unwant
INSERT INTO matrix_unwanted (user_id, person, at) VALUES ($1, $2, $3) ON CONFLICT (user_id, person) DO NOTHING;

-- name: want
DELETE FROM matrix_unwanted WHERE user_id = $1 AND person = $2;

-- name: unwanted
SELECT user_id, person FROM matrix_unwanted WHERE (user_id, person) > ($1, $2) ORDER BY user_id, person LIMIT $3;

-- name: unwanted_by
SELECT person FROM matrix_unwanted WHERE user_id = $1;
