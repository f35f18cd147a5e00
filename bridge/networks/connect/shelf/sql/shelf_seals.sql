-- What is sealed here, for a change of the seal's key (appservice/process/sealing).

-- name: connect_file-about-page
SELECT id, substr(about, 1, 33) AS mark FROM connect_file WHERE id > $1 ORDER BY id LIMIT $2;
-- name: connect_file-about-one
SELECT id, about AS sealed FROM connect_file WHERE id = $1;
-- name: connect_file-about-swap
UPDATE connect_file SET about = $2 WHERE id = $1 AND about = $3;
