-- name: add
INSERT INTO early (network, id, about, conversation, chat, address, kind, body, sent_at, accepted_at, until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);
-- name: one
SELECT network, id, about, conversation, chat, address, kind, body, sent_at, accepted_at, until FROM early
WHERE network = $1 AND id = $2;
-- name: all
SELECT network, id, about, conversation FROM early WHERE (network, id) > ($1, $2) ORDER BY network, id LIMIT $3;
-- name: by
SELECT network, id, about, conversation FROM early WHERE network = $1 AND address = $2 LIMIT 100;
-- name: about
SELECT network, id FROM early WHERE network = $1 AND about = $2 ORDER BY sent_at, id LIMIT 100;
-- name: there
SELECT network, id, (SELECT r.message FROM ref r WHERE r.network = early.network AND r.id = early.about) AS target
FROM early WHERE (network, id) > ($1, $2) ORDER BY network, id LIMIT $3;
-- name: over
SELECT network, id FROM early WHERE until <= $1 ORDER BY until LIMIT $2;
-- name: end
DELETE FROM early WHERE network = $1 AND id = $2;

-- name: target
-- What a correction of a correction is about is the message itself.
SELECT m.id, m.conversation, m.sender, m.kind, m.network, m.ref,
  (SELECT c.about FROM correction c WHERE c.message = m.id AND c.kind = 'edit') AS root
FROM ref r JOIN message m ON m.id = r.message WHERE r.network = $1 AND r.id = $2;
-- name: message
SELECT id, conversation, sender, kind, network, ref, NULL AS root FROM message WHERE id = $1;
-- name: amended
SELECT (SELECT MAX(sent_at) FROM correction WHERE about = $1 AND kind = 'edit') AS edited,
       (SELECT MAX(sent_at) FROM correction WHERE about = $1 AND kind = 'removal') AS removed;
-- name: edits
SELECT message FROM correction WHERE about = $1 AND kind = 'edit';
-- name: note
INSERT INTO correction (message, about, kind, sent_at) VALUES ($1, $2, $3, $4);
