-- name: put
INSERT INTO connect_file (id, network, message, about, forget_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET about = excluded.about, forget_at = excluded.forget_at;
-- name: one
SELECT network, about FROM connect_file WHERE id = $1 AND forget_at > $2;
-- name: take_back
DELETE FROM connect_file WHERE message = $1 AND network = $2;
-- name: forget
DELETE FROM connect_file WHERE forget_at <= $1;
