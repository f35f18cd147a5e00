-- name: note
INSERT INTO trail_new (at, kind, actor, subject, object, result, details) VALUES ($1, $2, $3, $4, $5, $6, $7);
-- name: next
SELECT n, at, kind, actor, subject, object, result, details FROM trail_new ORDER BY n LIMIT $1;
-- name: messages
SELECT id, sender, conversation, network, address FROM message
WHERE id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb))); -- pg
WHERE id IN (SELECT value FROM json_each($1)); -- sqlite
-- name: reached
-- Where members are: pairs of conversation and person.
SELECT o.conversation, o.person, o.address
FROM jsonb_array_elements($1::text::jsonb) w JOIN member o ON o.conversation = w ->> 0 AND o.person = w ->> 1; -- pg
FROM json_each($1) CROSS JOIN member o -- sqlite
WHERE o.conversation = json_extract(value, '$[0]') AND o.person = json_extract(value, '$[1]'); -- sqlite
-- name: taken
DELETE FROM trail_new WHERE n = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb)::bigint)); -- pg
DELETE FROM trail_new WHERE n IN (SELECT value FROM json_each($1)); -- sqlite
-- name: last
SELECT number, hash FROM trail ORDER BY number DESC LIMIT 1;
-- name: chain
-- The rows that follow a number: their hashes one behind the other, and a list of their bodies.
INSERT INTO trail (number, hash, body)
SELECT $1::bigint + place, substring($2::bytea FROM (32 * place - 31)::integer FOR 32), body -- pg
FROM jsonb_array_elements_text($3::text::jsonb) WITH ORDINALITY AS chained (body, place); -- pg
SELECT $1 + key + 1, substr($2, 32 * key + 1, 32), value FROM json_each($3); -- sqlite
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
