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
SELECT hub, generation, place, at, confirmed FROM life

-- name: life-begin
INSERT INTO life (hub, generation, place) VALUES ($1, 0, $2)

-- name: life-goes-on
UPDATE life SET generation = $2, place = $3, at = $4 WHERE hub = $1

-- name: kept-twice
SELECT current_setting('synchronous_standby_names') <> '' AND current_setting('synchronous_commit') IN ('on', 'remote_apply') AS twice -- pg
SELECT 0 AS twice -- sqlite

-- name: life-confirmed
UPDATE life SET confirmed = $2 WHERE hub = $1

-- name: life-placed
UPDATE life SET place = $1

-- name: life-moved
UPDATE life SET hub = $1 || hub WHERE hub NOT LIKE $1 || '%'

-- name: restored
INSERT INTO restored (noticed_at, kind, since, until) VALUES ($1, $2, $3, $4)

-- name: restored-last
SELECT noticed_at, kind, since, until, over_at FROM restored ORDER BY noticed_at DESC LIMIT 1

-- name: restored-over
UPDATE restored SET over_at = $2 WHERE noticed_at = $1

-- name: restored-item
INSERT INTO restored_item (noticed_at, kind, id, about) VALUES ($1, $2, $3, $4)

-- name: restored-items
SELECT id, about FROM restored_item WHERE noticed_at = $1 AND kind = $2 ORDER BY n LIMIT $3

-- name: unread
-- Among the oldest ten thousand that came in: what is not read yet may be many.
SELECT event_id, room_id, parked_sender FROM (SELECT stream, event_id, room_id, parked_sender, parked_at FROM matrix_inbox
  WHERE stream > 0 ORDER BY stream LIMIT 10000) AS first WHERE parked_at IS NOT NULL LIMIT $1

-- name: restored-count
SELECT COUNT(*) AS n FROM (SELECT 1 FROM restored_item WHERE noticed_at = $1 AND kind = $2 LIMIT $3) AS first

-- name: waiting-in-copy
SELECT id, network FROM delivery WHERE id > $1 ORDER BY id LIMIT $2

-- name: rooms-in-copy
SELECT room_id FROM matrix_room WHERE room_id > $1 ORDER BY room_id LIMIT $2

-- name: any-ghost
SELECT user_id FROM e2ee_ghost LIMIT 1

-- name: resealing
SELECT what, active, place, seen, changed, done_at, began_at, at, kept FROM resealing

-- name: resealing-save
INSERT INTO resealing (what, active, place, seen, changed, done_at, began_at, at, kept)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (what) DO UPDATE SET active = excluded.active, place = excluded.place, seen = excluded.seen,
    changed = excluded.changed, done_at = excluded.done_at, began_at = excluded.began_at, at = excluded.at,
    kept = excluded.kept

-- name: resealing-forget
DELETE FROM resealing

-- name: proof-gone
DELETE FROM seal_proof WHERE key_id = $1
