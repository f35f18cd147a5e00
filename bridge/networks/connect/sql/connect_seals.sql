-- What is sealed here, for a change of the seal's key (appservice/process/sealing).

-- name: connect_event-body-page
SELECT network, n, substr(body, 1, 33) AS mark FROM connect_event WHERE (network, n) > ($1, $2) ORDER BY network, n LIMIT $3;
-- name: connect_event-body-one
SELECT network, n, id, body AS sealed FROM connect_event WHERE network = $1 AND n = $2;
-- name: connect_event-body-swap
UPDATE connect_event SET body = $3 WHERE network = $1 AND n = $2 AND body = $4;

-- name: connect_secret-secret-page
SELECT network, id, substr(secret, 1, 33) AS mark FROM connect_secret WHERE (network, id) > ($1, $2) ORDER BY network, id LIMIT $3;
-- name: connect_secret-secret-one
SELECT network, id, secret AS sealed FROM connect_secret WHERE network = $1 AND id = $2;
-- name: connect_secret-secret-swap
UPDATE connect_secret SET secret = $3 WHERE network = $1 AND id = $2 AND secret = $4;

-- name: connect_absent-said-page
SELECT network, id, substr(said, 1, 33) AS mark FROM connect_absent WHERE (network, id) > ($1, $2) ORDER BY network, id LIMIT $3;
-- name: connect_absent-said-one
SELECT network, id, said AS sealed FROM connect_absent WHERE network = $1 AND id = $2;
-- name: connect_absent-said-swap
UPDATE connect_absent SET said = $3 WHERE network = $1 AND id = $2 AND said = $4;
