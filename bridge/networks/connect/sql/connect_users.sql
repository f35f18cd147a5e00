-- name: ended
SELECT person, at, done FROM connect_ended WHERE network = $1 AND id = $2;
-- name: to_end
SELECT id, person, at FROM connect_ended WHERE network = $1 AND id > $2 AND done IS NULL ORDER BY id LIMIT $3;
-- name: end
INSERT INTO connect_ended (network, id, person, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (network, id) DO UPDATE SET person = excluded.person, at = excluded.at, done = NULL WHERE connect_ended.done IS NOT NULL;
-- name: done
UPDATE connect_ended SET done = $3 WHERE network = $1 AND id = $2;
-- name: block
INSERT INTO connect_blocked (network, id, person, at) VALUES ($1, $2, $3, $4) ON CONFLICT (network, id, person) DO NOTHING;
-- name: unblock
DELETE FROM connect_blocked WHERE network = $1 AND id = $2 AND person = $3;
-- name: blocked
SELECT id, person FROM connect_blocked WHERE network = $1 AND (id, person) > ($2, $3) ORDER BY id, person LIMIT $4;
-- name: blocked_by
SELECT person FROM connect_blocked WHERE network = $1 AND id = $2 AND person > $3 ORDER BY person LIMIT $4;
-- name: unblock_all
DELETE FROM connect_blocked WHERE network = $1 AND id = $2;
-- name: absences
SELECT id, person, since, until, substitute, said, copied FROM connect_absent
WHERE network = $1 AND id > $2 ORDER BY id LIMIT $3;
-- name: absence
SELECT id, person, since, until, substitute, said, copied FROM connect_absent WHERE network = $1 AND id = $2;
-- name: be_absent
INSERT INTO connect_absent (network, id, person, since, until, substitute, said, copied)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (network, id) DO UPDATE SET person = excluded.person,
since = excluded.since, until = excluded.until, substitute = excluded.substitute, said = excluded.said, copied = excluded.copied;
-- name: be_back
DELETE FROM connect_absent WHERE network = $1 AND id = $2;
-- name: back_by_now
DELETE FROM connect_absent WHERE until <= $1;
