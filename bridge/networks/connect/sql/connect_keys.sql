-- name: tokens
SELECT hash, at, until, used FROM connect_token WHERE network = $1;
-- name: add_token
INSERT INTO connect_token (hash, network, at, used) VALUES ($1, $2, $3, $4);
-- name: end_token
INSERT INTO connect_token (hash, network, at, until, used) VALUES ($1, $2, $3, $4, $3)
ON CONFLICT (hash) DO UPDATE SET until = excluded.until;
-- name: use_token
UPDATE connect_token SET used = $2 WHERE hash = $1;
-- name: drop_token
DELETE FROM connect_token WHERE hash = $1;
-- name: secrets
SELECT id, at, secret, until FROM connect_secret WHERE network = $1;
-- name: add_secret
INSERT INTO connect_secret (network, id, secret, at) VALUES ($1, $2, $3, $4);
-- name: end_secret
INSERT INTO connect_secret (network, id, at, until) VALUES ($1, $2, $3, $4)
ON CONFLICT (network, id) DO UPDATE SET until = excluded.until;
