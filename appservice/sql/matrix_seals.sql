-- What is sealed here, for a change of the seal's key (appservice/process/sealing).

-- name: matrix_inbox-sealed-page
SELECT stream, substr(sealed, 1, 33) AS mark FROM matrix_inbox WHERE stream > $1 ORDER BY stream LIMIT $2;
-- name: matrix_inbox-sealed-one
SELECT stream, event_id, sealed AS sealed FROM matrix_inbox WHERE stream = $1;
-- name: matrix_inbox-sealed-swap
UPDATE matrix_inbox SET sealed = $2 WHERE stream = $1 AND sealed = $3;

-- name: matrix_dead-sealed-page
SELECT number, substr(sealed, 1, 33) AS mark FROM matrix_dead WHERE number > $1 ORDER BY number LIMIT $2;
-- name: matrix_dead-sealed-one
SELECT number, event_id, why, sealed AS sealed FROM matrix_dead WHERE number = $1;
-- name: matrix_dead-sealed-swap
UPDATE matrix_dead SET sealed = $2 WHERE number = $1 AND sealed = $3;

-- name: matrix_caption-content-page
SELECT id, substr(content, 1, 33) AS mark FROM matrix_caption WHERE id > $1 ORDER BY id LIMIT $2;
-- name: matrix_caption-content-one
SELECT id, content AS sealed FROM matrix_caption WHERE id = $1;
-- name: matrix_caption-content-swap
UPDATE matrix_caption SET content = $2 WHERE id = $1 AND content = $3;
