-- name: begin
INSERT INTO console_session (id, login, subject, sid, name, acts, token, began, seen, ends)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9);
-- name: session
SELECT id, subject, name, acts, seen, ends, ended FROM console_session WHERE id = $1;
-- name: used
SELECT id FROM console_session WHERE login = $1;
-- name: token
SELECT token FROM console_session WHERE id = $1;
-- name: seen
UPDATE console_session SET seen = $2 WHERE id = $1 AND seen < $2;
-- name: end
UPDATE console_session SET ended = $2 WHERE id = $1 AND ended < 1;
-- name: of_subject
SELECT id, name FROM console_session WHERE subject = $1 AND ended = 0 ORDER BY id LIMIT $2;
-- name: of_sid
SELECT id, name FROM console_session WHERE sid = $1 AND ended = 0 ORDER BY id LIMIT $2;
-- name: forget
DELETE FROM console_session WHERE ends < $1;
-- name: said
INSERT INTO console_said (id, ends) VALUES ($1, $2);
-- name: forget_said
DELETE FROM console_said WHERE ends < $1;
