-- name: seats
SELECT function, person, brought, since, until FROM seat WHERE conversation = $1;
-- name: sit
INSERT INTO seat (conversation, function, person, brought, since, until) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (conversation, function, person) DO UPDATE SET until = excluded.until,
since = CASE WHEN seat.until <= excluded.since THEN excluded.since ELSE seat.since END;
-- name: rise
DELETE FROM seat WHERE conversation = $1 AND function = $2 AND person = $3;
-- name: stood_in
SELECT conversation, function, person, since FROM seat WHERE brought = 2 AND until <= $1 ORDER BY until LIMIT $2;
-- name: next_stood_in
SELECT until FROM seat WHERE brought = 2 ORDER BY until LIMIT 1;
-- name: stands_in_until
UPDATE seat SET until = $2 WHERE function = $1 AND brought = 2;
-- name: stands_on
UPDATE seat SET until = $4 WHERE conversation = $1 AND function = $2 AND person = $3;
-- name: undelivered
SELECT d.id FROM delivery d JOIN recipient r ON r.message = d.message AND r.person = $3 AND r.state = 'accepted'
WHERE d.conversation = $1 AND d.network = $2 LIMIT 1;

-- name: watch
INSERT INTO watch (conversation, function, urgent, step, told, asked, due_at, look_at) VALUES ($1, $2, $3, 0, 0, $4, $5, 0)
ON CONFLICT (conversation, function) DO UPDATE SET
urgent = CASE WHEN excluded.urgent > watch.urgent THEN excluded.urgent ELSE watch.urgent END,
due_at = CASE WHEN excluded.due_at < watch.due_at THEN excluded.due_at ELSE watch.due_at END,
asked = excluded.asked, look_at = 0, noted = watch.noted + 1;
-- name: add_watched
INSERT INTO watched (message, function, conversation, at, body, copy) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (message, function) DO NOTHING;
-- name: one
SELECT conversation, function, urgent, step, told, asked, due_at, noted FROM watch
WHERE conversation = $1 AND function = $2;
-- name: due
SELECT conversation, function FROM watch WHERE look_at <= $1 ORDER BY look_at LIMIT $2;
-- name: next_look
SELECT look_at FROM watch ORDER BY look_at LIMIT 1;
-- name: watched
SELECT message, at, body, copy FROM watched WHERE conversation = $1 AND function = $2 ORDER BY at LIMIT 100;
-- name: taken_by
SELECT message, taken AS person FROM watched WHERE conversation = $1 AND function = $2 AND taken IS NOT NULL;
-- name: read_by
SELECT w.message, r.person FROM watched w JOIN recipient r ON r.message = w.message AND r.state = 'read'
WHERE w.conversation = $1 AND w.function = $2;
-- name: copy_read_by
SELECT w.message, r.person FROM watched w JOIN recipient r ON r.message = w.copy AND r.state = 'read'
WHERE w.conversation = $1 AND w.function = $2;
-- name: noted
UPDATE watch SET look_at = 0, noted = noted + 1 WHERE conversation = $1;
-- name: in_copy
SELECT conversation, function FROM watched WHERE copy = $1;
-- name: look_now
UPDATE watch SET look_at = 0, noted = noted + 1 WHERE conversation = $1 AND function = $2;
-- name: taken
UPDATE watched SET taken = $3 WHERE conversation = $1 AND function = $2 AND taken IS NULL;
-- name: passed
UPDATE watch SET step = step + 1, asked = $3, due_at = $4, look_at = 0 WHERE conversation = $1 AND function = $2;
-- name: copied
UPDATE watched SET copy = $2 WHERE message = $1 AND function = $3;
-- name: told
UPDATE watch SET told = step, look_at = CASE WHEN noted = $3 THEN due_at ELSE 0 END
WHERE conversation = $1 AND function = $2;
-- name: later
UPDATE watch SET due_at = CAST($3 AS BIGINT), look_at = CASE WHEN noted = $4 THEN CAST($3 AS BIGINT) ELSE 0 END
WHERE conversation = $1 AND function = $2;
-- name: aside
UPDATE watch SET look_at = $3 WHERE conversation = $1 AND function = $2;
-- name: look_later
UPDATE watch SET look_at = due_at WHERE conversation = $1 AND function = $2 AND noted = $3;
-- name: end_watched
DELETE FROM watched WHERE message = $1 AND function = $2;
-- name: end_watch
DELETE FROM watch WHERE conversation = $1 AND function = $2
AND NOT EXISTS (SELECT 1 FROM watched w WHERE w.conversation = $1 AND w.function = $2);
