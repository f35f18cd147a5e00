-- name: note
INSERT INTO trail_new (at, kind, actor, subject, object, result, details) VALUES ($1, $2, $3, $4, $5, $6, $7);
-- name: next
SELECT w.n, w.at, w.kind, w.actor, w.subject, w.object, w.result, w.details,
       m.sender, m.conversation, m.network, m.address, o.address AS reached
FROM trail_new w LEFT JOIN message m ON w.kind = 'message' AND m.id = w.subject
LEFT JOIN member o ON o.conversation = m.conversation AND o.person = w.object ORDER BY w.n LIMIT $1;
-- name: taken
DELETE FROM trail_new WHERE n = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb)::bigint)); -- pg
DELETE FROM trail_new WHERE n IN (SELECT value FROM json_each($1)); -- sqlite
-- name: last
SELECT number, hash FROM trail ORDER BY number DESC LIMIT 1;
-- name: chain
INSERT INTO trail (number, hash, body) VALUES ($1, $2, $3);
-- name: rows
SELECT number, hash, body FROM trail WHERE number > $1 ORDER BY number LIMIT $2;
-- name: row
SELECT number, hash, body FROM trail WHERE number = $1;
-- name: checkpoint
INSERT INTO trail_checkpoint (number, hash, at, closing, jws) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (number) DO UPDATE SET at = excluded.at, closing = excluded.closing, jws = excluded.jws;
-- name: checkpoints
SELECT number, hash, at, closing, jws FROM trail_checkpoint WHERE number > $1 ORDER BY number LIMIT $2;
-- name: last-checkpoint
SELECT number, hash, at, closing, jws FROM trail_checkpoint ORDER BY number DESC LIMIT 1;
-- name: old-checkpoint
SELECT number, hash, at FROM trail_checkpoint WHERE closing = 0 AND at < $1 ORDER BY at LIMIT 1;
-- name: forget
DELETE FROM trail WHERE number <= $1;
-- name: forget-checkpoints
DELETE FROM trail_checkpoint WHERE number < $1;
-- name: key
SELECT sealed FROM trail_key WHERE name = $1;
-- name: add-key
INSERT INTO trail_key (name, sealed) VALUES ($1, $2);
-- name: before
SELECT number, body FROM trail WHERE number < $1 ORDER BY number DESC LIMIT $2;
-- name: checkpoint-after
SELECT number FROM trail_checkpoint WHERE closing = 0 AND at >= $1 ORDER BY at LIMIT 1;
