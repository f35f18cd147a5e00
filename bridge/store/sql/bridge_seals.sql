-- What is sealed here, for a change of the seal's key (appservice/process/sealing).

-- name: delivery-body-page
SELECT id, substr(body, 1, 33) AS mark FROM delivery WHERE id > $1 ORDER BY id LIMIT $2;
-- name: delivery-body-one
SELECT id, body AS sealed FROM delivery WHERE id = $1;
-- name: delivery-body-swap
UPDATE delivery SET body = $2 WHERE id = $1 AND body = $3;

-- name: file-about-page
SELECT message, n, substr(about, 1, 33) AS mark FROM file WHERE (message, n) > ($1, $2) ORDER BY message, n LIMIT $3;
-- name: file-about-one
SELECT message, n, about AS sealed FROM file WHERE message = $1 AND n = $2;
-- name: file-about-swap
UPDATE file SET about = $3 WHERE message = $1 AND n = $2 AND about = $4;

-- name: file-body-page
SELECT message, n, substr(body, 1, 33) AS mark FROM file WHERE (message, n) > ($1, $2) ORDER BY message, n LIMIT $3;
-- name: file-body-one
SELECT message, n, body AS sealed FROM file WHERE message = $1 AND n = $2;
-- name: file-body-swap
UPDATE file SET body = $3 WHERE message = $1 AND n = $2 AND body = $4;

-- name: early-body-page
SELECT network, id, substr(body, 1, 33) AS mark FROM early WHERE (network, id) > ($1, $2) ORDER BY network, id LIMIT $3;
-- name: early-body-one
SELECT network, id, body AS sealed FROM early WHERE network = $1 AND id = $2;
-- name: early-body-swap
UPDATE early SET body = $3 WHERE network = $1 AND id = $2 AND body = $4;

-- name: watched-body-page
SELECT message, function, substr(body, 1, 33) AS mark FROM watched WHERE (message, function) > ($1, $2) ORDER BY message, function LIMIT $3;
-- name: watched-body-one
SELECT message, function, body AS sealed FROM watched WHERE message = $1 AND function = $2;
-- name: watched-body-swap
UPDATE watched SET body = $3 WHERE message = $1 AND function = $2 AND body = $4;

-- name: conversation-name-page
SELECT id, substr(name, 1, 33) AS mark FROM conversation WHERE id > $1 ORDER BY id LIMIT $2;
-- name: conversation-name-one
SELECT id, name AS sealed FROM conversation WHERE id = $1;
-- name: conversation-name-swap
UPDATE conversation SET name = $2 WHERE id = $1 AND name = $3;

-- name: poll-asked-page
SELECT message, substr(asked, 1, 33) AS mark FROM poll WHERE message > $1 ORDER BY message LIMIT $2;
-- name: poll-asked-one
SELECT message, asked AS sealed FROM poll WHERE message = $1;
-- name: poll-asked-swap
UPDATE poll SET asked = $2 WHERE message = $1 AND asked = $3;

-- name: vote-chosen-page
SELECT poll, person, substr(chosen, 1, 33) AS mark FROM vote WHERE (poll, person) > ($1, $2) ORDER BY poll, person LIMIT $3;
-- name: vote-chosen-one
SELECT poll, person, chosen AS sealed FROM vote WHERE poll = $1 AND person = $2;
-- name: vote-chosen-swap
UPDATE vote SET chosen = $3 WHERE poll = $1 AND person = $2 AND chosen = $4;

-- name: name-name-page
SELECT person, substr(name, 1, 51) AS mark FROM name WHERE person > $1 ORDER BY person LIMIT $2;
-- name: name-name-one
SELECT person, name AS sealed FROM name WHERE person = $1;
-- name: name-name-swap
UPDATE name SET name = $2 WHERE person = $1 AND name = $3;

-- name: acquaintance-entry-page
SELECT person, substr(entry, 1, 51) AS mark FROM acquaintance WHERE person > $1 ORDER BY person LIMIT $2;
-- name: acquaintance-entry-one
SELECT person, entry AS sealed FROM acquaintance WHERE person = $1;
-- name: acquaintance-entry-swap
UPDATE acquaintance SET entry = $2 WHERE person = $1 AND entry = $3;
