-- name: ended
SELECT person, at, done FROM connect_ended WHERE network = $1 AND id = $2;
-- name: to_end
SELECT id, person, at FROM connect_ended WHERE network = $1 AND id > $2 AND done IS NULL ORDER BY id LIMIT $3;
-- name: end
INSERT INTO connect_ended (network, id, person, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (network, id) DO UPDATE SET person = excluded.person, at = excluded.at, done = NULL WHERE connect_ended.done IS NOT NULL;
-- name: done
UPDATE connect_ended SET done = $3 WHERE network = $1 AND id = $2;
