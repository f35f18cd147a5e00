-- What is sealed here, for a change of the seal's key (appservice/process/sealing).

-- name: mail_in-envelope-page
SELECT n, substr(envelope, 1, 33) AS mark FROM mail_in WHERE n > $1 ORDER BY n LIMIT $2;
-- name: mail_in-envelope-one
SELECT n, envelope AS sealed FROM mail_in WHERE n = $1;
-- name: mail_in-envelope-swap
UPDATE mail_in SET envelope = $2 WHERE n = $1 AND envelope = $3;

-- name: mail_in-raw-page
SELECT n, substr(raw, 1, 33) AS mark FROM mail_in WHERE n > $1 ORDER BY n LIMIT $2;
-- name: mail_in-raw-one
SELECT n, raw AS sealed FROM mail_in WHERE n = $1;
-- name: mail_in-raw-swap
UPDATE mail_in SET raw = $2 WHERE n = $1 AND raw = $3;

-- name: mail_out-raw-page
SELECT id, substr(raw, 1, 33) AS mark FROM mail_out WHERE id > $1 ORDER BY id LIMIT $2;
-- name: mail_out-raw-one
SELECT id, raw AS sealed FROM mail_out WHERE id = $1;
-- name: mail_out-raw-swap
UPDATE mail_out SET raw = $2 WHERE id = $1 AND raw = $3;

-- name: mail_ref-about-page
SELECT chat, mid, substr(about, 1, 33) AS mark FROM mail_ref WHERE (chat, mid) > ($1, $2) ORDER BY chat, mid LIMIT $3;
-- name: mail_ref-about-one
SELECT chat, mid, about AS sealed FROM mail_ref WHERE chat = $1 AND mid = $2;
-- name: mail_ref-about-swap
UPDATE mail_ref SET about = $3 WHERE chat = $1 AND mid = $2 AND about = $4;

-- name: mail_thread-about-page
SELECT chat, thread, substr(about, 1, 33) AS mark FROM mail_thread WHERE (chat, thread) > ($1, $2) ORDER BY chat, thread LIMIT $3;
-- name: mail_thread-about-one
SELECT chat, thread, about AS sealed FROM mail_thread WHERE chat = $1 AND thread = $2;
-- name: mail_thread-about-swap
UPDATE mail_thread SET about = $3 WHERE chat = $1 AND thread = $2 AND about = $4;

-- name: mail_draft-body-page
SELECT id, substr(body, 1, 33) AS mark FROM mail_draft WHERE id > $1 ORDER BY id LIMIT $2;
-- name: mail_draft-body-one
SELECT id, body AS sealed FROM mail_draft WHERE id = $1;
-- name: mail_draft-body-swap
UPDATE mail_draft SET body = $2 WHERE id = $1 AND body = $3;
