-- What is sealed here, for a change of the seal's key (appservice/process/sealing).

-- name: trail_key-sealed-page
SELECT name, substr(sealed, 1, 33) AS mark FROM trail_key WHERE name > $1 ORDER BY name LIMIT $2;
-- name: trail_key-sealed-one
SELECT name, sealed AS sealed FROM trail_key WHERE name = $1;
-- name: trail_key-sealed-swap
UPDATE trail_key SET sealed = $2 WHERE name = $1 AND sealed = $3;
