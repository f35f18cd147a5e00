-- name: proofs
SELECT key_id, sealed FROM seal_proof

-- name: proof
INSERT INTO seal_proof (key_id, sealed) VALUES ($1, $2) ON CONFLICT (key_id) DO NOTHING

-- name: sealed-before
SELECT user_id, seeds FROM e2ee_ghost
WHERE CAST(substr(seeds, 2, unicode(CAST(substr(seeds, 1, 1) AS TEXT))) AS TEXT) = $1 -- sqlite
WHERE convert_from(substr(seeds, 2, get_byte(seeds, 0)), 'UTF8') = $1 -- pg
LIMIT 1

-- name: life
SELECT hub, generation, place FROM life

-- name: life-begin
INSERT INTO life (hub, generation, place) VALUES ($1, 0, $2)

-- name: life-goes-on
UPDATE life SET generation = $2, place = $3 WHERE hub = $1

-- name: any-ghost
SELECT user_id FROM e2ee_ghost LIMIT 1
