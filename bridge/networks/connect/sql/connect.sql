-- name: print
SELECT key, print FROM connect_print WHERE network = $1 AND id = $2;
-- name: add_print
INSERT INTO connect_print (network, id, key, print) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;
