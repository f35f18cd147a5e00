-- name: print
SELECT key, print, wordless FROM connect_print WHERE network = $1 AND id = $2;
-- name: add_print
INSERT INTO connect_print (network, id, key, print, wordless) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING;
-- name: abilities
SELECT said FROM connect_abilities WHERE network = $1;
-- name: declare_abilities
INSERT INTO connect_abilities (network, said, at) VALUES ($1, $2, $3)
ON CONFLICT (network) DO UPDATE SET said = excluded.said, at = excluded.at;
