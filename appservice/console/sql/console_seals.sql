-- What is sealed here, for a change of the seal's key (appservice/process/sealing).

-- name: console_session-token-page
SELECT id, substr(token, 1, 33) AS mark FROM console_session WHERE id > $1 ORDER BY id LIMIT $2;
-- name: console_session-token-one
SELECT id, token AS sealed FROM console_session WHERE id = $1;
-- name: console_session-token-swap
UPDATE console_session SET token = $2 WHERE id = $1 AND token = $3;
