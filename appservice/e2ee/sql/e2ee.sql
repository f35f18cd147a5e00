-- name: ghosts
SELECT user_id, device_id, stage, curve, ed, next_batch, stale FROM e2ee_ghost WHERE user_id > $1 ORDER BY user_id LIMIT $2

-- name: seal-keys
SELECT key_id FROM e2ee_seal_key

-- name: seal-key
INSERT INTO e2ee_seal_key (key_id) VALUES ($1) ON CONFLICT (key_id) DO NOTHING

-- name: seal-key-used
SELECT key_id FROM e2ee_ghost WHERE key_id = $1 UNION ALL SELECT key_id FROM e2ee_olm WHERE key_id = $1
UNION ALL SELECT key_id FROM e2ee_in WHERE key_id = $1 UNION ALL SELECT key_id FROM e2ee_out WHERE key_id = $1
UNION ALL SELECT key_id FROM e2ee_spare WHERE key_id = $1
UNION ALL SELECT user_id FROM e2ee_ghost
WHERE CAST(substr(seeds, 2, unicode(CAST(substr(seeds, 1, 1) AS TEXT))) AS TEXT) = $1 -- sqlite
WHERE convert_from(substr(seeds, 2, get_byte(seeds, 0)), 'UTF8') = $1 -- pg
LIMIT 1

-- name: seal-key-gone
DELETE FROM e2ee_seal_key WHERE key_id = $1

-- name: ghost-keys
SELECT device_keys, seeds, account, key_id FROM e2ee_ghost WHERE user_id = $1

-- name: ghost-position
SELECT next_batch FROM e2ee_ghost WHERE user_id = $1

-- name: ghost-new
INSERT INTO e2ee_ghost (user_id, device_id, stage, curve, ed, device_keys, seeds, account, key_id)
VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8)
ON CONFLICT (user_id) DO UPDATE SET device_id = excluded.device_id, stage = 0, curve = excluded.curve, ed = excluded.ed,
    device_keys = excluded.device_keys, seeds = excluded.seeds, account = excluded.account, key_id = excluded.key_id,
    next_batch = NULL, stale = 0

-- name: ghost-ready
UPDATE e2ee_ghost SET stage = 1, device_keys = $2 WHERE user_id = $1

-- name: ghost-account
UPDATE e2ee_ghost SET account = $2, key_id = $3 WHERE user_id = $1

-- name: spare
SELECT account, key_id FROM e2ee_spare WHERE ghost = $1

-- name: spare-any
SELECT ghost FROM e2ee_spare ORDER BY ghost LIMIT 1

-- name: spare-new
INSERT INTO e2ee_spare (ghost, account, key_id, at) VALUES ($1, $2, $3, $4) ON CONFLICT (ghost) DO NOTHING

-- name: spare-save
UPDATE e2ee_spare SET account = $2, key_id = $3 WHERE ghost = $1

-- name: spare-gone-all
DELETE FROM e2ee_spare

-- name: spare-old
DELETE FROM e2ee_spare WHERE ghost IN (SELECT ghost FROM e2ee_spare WHERE at < $1 ORDER BY at LIMIT 100) RETURNING ghost

-- name: ghost-moved
UPDATE e2ee_ghost SET next_batch = $2 WHERE user_id = $1

-- name: ghost-olm-gone
DELETE FROM e2ee_olm WHERE ghost = $1

-- name: ghost-out-gone
UPDATE e2ee_out SET retired = 1 WHERE ghost = $1 AND retired = 0

-- name: user
SELECT master, found, outdated FROM e2ee_user WHERE user_id = $1

-- name: user-save
INSERT INTO e2ee_user (user_id, master, found, outdated) VALUES ($1, $2, $3, $4)
ON CONFLICT (user_id) DO UPDATE SET master = excluded.master, found = excluded.found, outdated = excluded.outdated

-- name: user-outdated
UPDATE e2ee_user SET outdated = 1 WHERE user_id = $1

-- name: devices
SELECT device_id, curve, ed, signed FROM e2ee_device WHERE user_id = $1

-- name: device-save
INSERT INTO e2ee_device (user_id, device_id, curve, ed, signed) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (user_id, device_id) DO UPDATE SET curve = excluded.curve, ed = excluded.ed, signed = excluded.signed

-- name: device-gone
DELETE FROM e2ee_device WHERE user_id = $1 AND device_id = $2

-- name: olm
SELECT session_id, used, pickle, key_id, retired FROM e2ee_olm WHERE ghost = $1 AND curve = $2 ORDER BY retired, used DESC

-- name: olm-save
INSERT INTO e2ee_olm (ghost, curve, session_id, used, pickle, key_id, retired) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (ghost, curve, session_id) DO UPDATE SET used = excluded.used, pickle = excluded.pickle, key_id = excluded.key_id

-- name: olm-gone
DELETE FROM e2ee_olm WHERE ghost = $1 AND curve = $2 AND session_id = $3

-- name: olm-read
INSERT INTO e2ee_olm_read (hash, at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING

-- name: olm-was-read
SELECT at FROM e2ee_olm_read WHERE hash = $1

-- name: olm-read-old
DELETE FROM e2ee_olm_read WHERE hash IN (SELECT hash FROM e2ee_olm_read WHERE at < $1 ORDER BY at LIMIT 100) RETURNING hash

-- name: wedged
INSERT INTO e2ee_wedged (ghost, user_id, curve, at, todo) VALUES ($1, $2, $3, $4, 1)
ON CONFLICT (ghost, user_id, curve) DO UPDATE SET at = excluded.at, todo = 1 WHERE e2ee_wedged.at <= $5

-- name: wedged-todo
SELECT ghost, user_id, curve FROM e2ee_wedged WHERE todo = 1 AND (ghost, user_id, curve) > ($1, $2, $3)
ORDER BY ghost, user_id, curve LIMIT 100

-- name: wedged-done
UPDATE e2ee_wedged SET todo = 0 WHERE ghost = $1 AND user_id = $2 AND curve = $3

-- name: in
SELECT curve, ed, device_id, receiver, trust, first_index, shared_history, forwarded, pickle, key_id
FROM e2ee_in WHERE room_id = $1 AND session_id = $2 AND sender = $3

-- name: in-newest
SELECT session_id FROM e2ee_in WHERE room_id = $1 AND shared_history = 1 AND trust = 'signed' ORDER BY came_at DESC LIMIT 1

-- name: in-shared
SELECT session_id, curve, ed, pickle, key_id FROM e2ee_in
WHERE room_id = $1 AND shared_history = 1 AND trust = 'signed' ORDER BY came_at DESC LIMIT $2

-- name: in-elsewhere
SELECT room_id, sender FROM e2ee_in WHERE session_id = $1

-- name: in-save
INSERT INTO e2ee_in (room_id, session_id, sender, curve, ed, device_id, receiver, trust, first_index, shared_history, forwarded,
    pickle, key_id, came_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (room_id, session_id, sender) DO UPDATE SET curve = excluded.curve, ed = excluded.ed,
    device_id = excluded.device_id, receiver = excluded.receiver, trust = excluded.trust, first_index = excluded.first_index,
    shared_history = excluded.shared_history, forwarded = excluded.forwarded, pickle = excluded.pickle, key_id = excluded.key_id
WHERE excluded.first_index <= e2ee_in.first_index

-- name: in-trust
UPDATE e2ee_in SET trust = $4, device_id = $5 WHERE room_id = $1 AND session_id = $2 AND sender = $3

-- name: seen
INSERT INTO e2ee_seen (room_id, session_id, sender, place, event_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (room_id, session_id, sender, place) DO UPDATE SET event_id = e2ee_seen.event_id
RETURNING event_id

-- name: seen-first
INSERT INTO e2ee_seen (room_id, session_id, sender, place, event_id) VALUES ($1, $2, $3, $4, $5)

-- name: seen-all
SELECT place, event_id FROM e2ee_seen WHERE room_id = $1 AND session_id = $2 AND sender = $3 ORDER BY place DESC LIMIT $4

-- name: seen-one
SELECT event_id FROM e2ee_seen WHERE room_id = $1 AND session_id = $2 AND sender = $3 AND place = $4

-- name: withheld-save
INSERT INTO e2ee_withheld (room_id, session_id, sender, code) VALUES ($1, $2, $3, $4)
ON CONFLICT (room_id, session_id, sender) DO UPDATE SET code = excluded.code

-- name: withheld
SELECT code FROM e2ee_withheld WHERE room_id = $1 AND session_id = $2 AND sender = $3

-- name: withheld-gone
DELETE FROM e2ee_withheld WHERE room_id = $1 AND session_id = $2 AND sender = $3

-- name: out
SELECT session_id, created_at, used, shared_history, pickle, key_id
FROM e2ee_out WHERE room_id = $1 AND ghost = $2 AND retired = 0

-- name: out-new
INSERT INTO e2ee_out (session_id, room_id, ghost, created_at, used, shared_history, retired, pickle, key_id)
VALUES ($1, $2, $3, $4, 0, $5, 0, $6, $7)

-- name: out-retire
UPDATE e2ee_out SET retired = 1 WHERE room_id = $1 AND ghost = $2 AND retired = 0

-- name: out-retire-room
UPDATE e2ee_out SET retired = 1 WHERE room_id = $1 AND retired = 0

-- name: out-save
UPDATE e2ee_out SET pickle = $2, key_id = $3, used = $4 WHERE session_id = $1 AND used < $4

-- name: out-old
SELECT session_id FROM e2ee_out WHERE retired = 1 AND created_at < $1 ORDER BY created_at LIMIT 100

-- name: shares-gone
DELETE FROM e2ee_share WHERE session_id = $1

-- name: out-gone
DELETE FROM e2ee_out WHERE session_id = $1

-- name: out-of
SELECT room_id, ghost FROM e2ee_out WHERE session_id = $1

-- name: shares
SELECT user_id, device_id, state, place, code, txn, kept FROM e2ee_share WHERE session_id = $1

-- name: share
SELECT state, place, code FROM e2ee_share WHERE session_id = $1 AND user_id = $2 AND device_id = $3

-- name: share-of
SELECT MIN(place) AS place FROM e2ee_share WHERE session_id = $1 AND user_id = $2 AND state = 'sent'

-- name: kept
SELECT s.session_id, s.device_id, s.state, o.ghost, o.shared_history
FROM e2ee_share s JOIN e2ee_out o ON o.session_id = s.session_id
WHERE s.user_id = $1 AND s.room = $2 AND s.kept IS NOT NULL 
AND (s.session_id, s.device_id) > ($3, $4) ORDER BY s.session_id, s.device_id LIMIT 100

-- name: lacks
SELECT s.session_id FROM e2ee_share s WHERE s.user_id = $1 AND s.room = $2 AND s.kept IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM e2ee_share g WHERE g.session_id = s.session_id AND g.user_id = s.user_id
                AND g.state IN ('sent', 'pending')) LIMIT 1

-- name: late
SELECT user_id, room_id, at, delay FROM e2ee_late WHERE at <= $1 ORDER BY at LIMIT 100

-- name: late-count
SELECT COUNT(*) AS n FROM (SELECT 1 FROM e2ee_late WHERE at < $1 ORDER BY at LIMIT $2) AS first

-- name: late-rooms
SELECT room_id FROM e2ee_late WHERE user_id = $1 ORDER BY room_id LIMIT 500

-- name: late-again
UPDATE e2ee_late SET at = $3, delay = $4 WHERE user_id = $1 AND room_id = $2

-- name: late-shut
UPDATE e2ee_late SET at = $4 WHERE user_id = $1 AND room_id = $2 AND at = $3

-- name: shut
SELECT user_id, room_id, at FROM e2ee_late WHERE at >= $1 AND at < $2 ORDER BY at LIMIT 100

-- name: late-over
DELETE FROM e2ee_late WHERE user_id = $1 AND room_id = $2 AND at = $3

-- name: late-news
UPDATE e2ee_late SET at = 0, delay = 5000 WHERE user_id = $1

-- name: late-note
-- A key is kept for somebody. Those that were kept before are tried again with it only where that may help.
INSERT INTO e2ee_late (user_id, room_id, at, delay) SELECT $2, room_id, 0, 5000 FROM e2ee_out WHERE session_id = $1
ON CONFLICT (user_id, room_id) DO UPDATE SET at = 0 WHERE $4 = 'no_olm'
    OR NOT EXISTS (SELECT 1 FROM e2ee_user u WHERE u.user_id = $2 AND u.outdated = 0)
    OR EXISTS (SELECT 1 FROM e2ee_device d WHERE d.user_id = $2 AND ($3 = '*' OR (d.device_id = $3 AND d.signed = 1)))

-- name: share-save
INSERT INTO e2ee_share (session_id, user_id, device_id, state, place, code, txn, kept, room) VALUES ($1, $2, $3, $4, $5, $6, $7,
    $8, (SELECT room_id FROM e2ee_out WHERE session_id = $1 AND CAST($8 AS @blob) IS NOT NULL))
ON CONFLICT (session_id, user_id, device_id) DO UPDATE SET state = excluded.state, place = excluded.place,
    code = excluded.code, txn = excluded.txn, kept = excluded.kept, room = excluded.room

-- name: share-gone
DELETE FROM e2ee_share WHERE session_id = $1 AND user_id = $2 AND device_id = $3

-- name: kept-gone
DELETE FROM e2ee_share WHERE user_id = $1 AND room = $2 AND kept IS NOT NULL

-- name: share-sent
UPDATE e2ee_share SET state = $2, txn = NULL WHERE txn = $1 AND state = 'pending'

-- name: send-new
INSERT INTO e2ee_send (ghost, txn, type, body) VALUES ($1, $2, $3, $4)

-- name: sends
SELECT id, ghost, txn, type, body FROM e2ee_send WHERE id > $1 ORDER BY id LIMIT 20

-- name: send
SELECT ghost, txn, type, body FROM e2ee_send WHERE txn = $1

-- name: send-gone
DELETE FROM e2ee_send WHERE txn = $1

-- name: no-olm
INSERT INTO e2ee_no_olm (ghost, user_id, device_id) VALUES ($1, $2, $3)
ON CONFLICT (ghost, user_id, device_id) DO NOTHING RETURNING ghost

-- name: no-olm-over
DELETE FROM e2ee_no_olm WHERE ghost = $1 AND user_id = $2 AND device_id = $3

-- name: request
SELECT ghost, request_id, tries, next_at FROM e2ee_request WHERE room_id = $1 AND session_id = $2 AND sender = $3

-- name: request-save
INSERT INTO e2ee_request (room_id, session_id, sender, ghost, request_id, tries, next_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (room_id, session_id, sender) DO UPDATE SET ghost = excluded.ghost, request_id = excluded.request_id,
    tries = excluded.tries, next_at = excluded.next_at

-- name: request-again
SELECT room_id, session_id, request_id, tries FROM e2ee_request WHERE ghost = $1 AND sender = $2 AND tries < $3 LIMIT $4

-- name: request-gone
DELETE FROM e2ee_request WHERE room_id = $1 AND session_id = $2 AND sender = $3

-- name: out-retire-ghost
UPDATE e2ee_out SET retired = 1 WHERE ghost = $1 AND retired = 0 RETURNING room_id

-- name: out-retire-all
UPDATE e2ee_out SET retired = 1 WHERE retired = 0

-- name: olm-anew-all
INSERT INTO e2ee_wedged (ghost, user_id, curve, at, todo)
SELECT DISTINCT o.ghost, d.user_id, o.curve, 0, 2 FROM e2ee_olm o JOIN e2ee_device d ON d.curve = o.curve WHERE o.retired = 0
ON CONFLICT (ghost, user_id, curve) DO UPDATE SET todo = 2 WHERE e2ee_wedged.todo = 0

-- name: olm-anew-ghost
INSERT INTO e2ee_wedged (ghost, user_id, curve, at, todo)
SELECT DISTINCT o.ghost, d.user_id, o.curve, 0, 2 FROM e2ee_olm o JOIN e2ee_device d ON d.curve = o.curve
WHERE o.ghost = $1 AND o.retired = 0
ON CONFLICT (ghost, user_id, curve) DO UPDATE SET todo = 2 WHERE e2ee_wedged.todo = 0

-- name: olm-retire-ghost
UPDATE e2ee_olm SET retired = 1 WHERE ghost = $1 AND retired = 0

-- name: ghost-make-stale
UPDATE e2ee_ghost SET stale = 1 WHERE user_id = $1

-- name: olm-retire-all
UPDATE e2ee_olm SET retired = 1 WHERE retired = 0

-- name: ghost-stale-all
UPDATE e2ee_ghost SET stale = 1 WHERE stale = 0

-- name: ghost-unplaced-all
UPDATE e2ee_ghost SET next_batch = NULL WHERE next_batch IS NOT NULL

-- name: user-outdated-all
UPDATE e2ee_user SET outdated = 1 WHERE outdated = 0

-- name: request-now-all
UPDATE e2ee_request SET next_at = 0 WHERE next_at > 0

-- name: ghost-stale
SELECT user_id FROM e2ee_ghost WHERE stale = 1 AND user_id > $1 ORDER BY user_id LIMIT $2

-- name: ghost-fresh
UPDATE e2ee_ghost SET stale = 0 WHERE user_id = $1

-- name: wedged-anew
SELECT ghost, user_id, curve FROM e2ee_wedged WHERE todo = 2 AND (ghost, user_id, curve) > ($1, $2, $3)
ORDER BY ghost, user_id, curve LIMIT 20
