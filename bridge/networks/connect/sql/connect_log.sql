-- name: begin
INSERT INTO connect_log (network) VALUES ($1) ON CONFLICT (network) DO NOTHING;
-- name: log
SELECT n, handed, gone, bytes, read_at FROM connect_log WHERE network = $1;
-- name: next
-- The row is locked until the end of the transaction: places are seen in the order in which they were given.
UPDATE connect_log SET n = n + 1, bytes = bytes + $2 WHERE network = $1 RETURNING n;
-- name: add
INSERT INTO connect_event (network, n, id, lane, message, named, body, size, at, waits)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);
-- name: one
SELECT n, lane, message, named, body, at, waits FROM connect_event WHERE network = $1 AND id = $2;
-- name: lane_waits
SELECT n FROM connect_event WHERE network = $1 AND lane = $2 AND waits > 0 LIMIT 1;
-- name: page
SELECT n, id, named, body, waits FROM connect_event WHERE network = $1 AND n > $2 ORDER BY n LIMIT $3;
-- name: sizes
SELECT n, size FROM connect_event WHERE network = $1 AND n > $2 ORDER BY n LIMIT $3;
-- name: first_waiting
SELECT n FROM connect_event WHERE network = $1 AND waits > 0 ORDER BY n LIMIT 1;
-- name: waiting
SELECT n, id, lane, message, waits FROM connect_event WHERE network = $1 AND waits > 0 AND n > $2 ORDER BY n LIMIT $3;
-- name: unread
-- What the product has not, up to a place: without what was only asked for again.
SELECT n, id, lane, message, waits FROM connect_event
WHERE network = $1 AND waits > 0 AND waits < 3 AND n > $2 AND n <= $3 ORDER BY n LIMIT $4;
-- name: late
SELECT n, message FROM connect_event WHERE network = $1 AND waits = 1 AND at < $2 ORDER BY at LIMIT $3;
-- name: oldest
SELECT n, message, size, at, waits FROM connect_event WHERE network = $1 ORDER BY n LIMIT $2;
-- name: taken
UPDATE connect_event SET waits = 0, named = $3 WHERE network = $1 AND n = $2;
-- name: told_late
UPDATE connect_event SET waits = 2 WHERE network = $1 AND n = $2 AND waits = 1;
-- name: handed
-- The time is written again after a minute: a product that waits for news asks all the time.
UPDATE connect_log SET handed = CASE WHEN handed < $2 THEN $2 ELSE handed END, read_at = $3
WHERE network = $1 AND (handed < $2 OR read_at IS NULL OR read_at < $3 - 60000);
-- name: count_waiting
SELECT COUNT(*) AS n, MIN(at) AS oldest
FROM (SELECT at FROM connect_event WHERE network = $1 AND waits > 0 AND n > -1 ORDER BY n LIMIT $2) AS first;
-- name: drop
DELETE FROM connect_event WHERE network = $1 AND n = $2;
-- name: dropped
UPDATE connect_log SET bytes = bytes - $2, gone = CASE WHEN gone < $3 THEN $3 ELSE gone END WHERE network = $1;
-- name: jump
UPDATE connect_log SET n = n + $2, gone = n + $2 WHERE network = $1;
-- name: after
SELECT n, at FROM connect_event WHERE network = $1 AND n > $2 ORDER BY n LIMIT 1;
-- name: stretch
SELECT n, at, waits FROM connect_event WHERE network = $1 AND n > $2 AND n <= $3 ORDER BY n LIMIT $4;
-- name: again
UPDATE connect_event SET waits = 3 WHERE network = $1 AND n > $2 AND n <= $3 AND waits = 0 RETURNING n;
-- name: sent_again
UPDATE connect_event SET waits = 0 WHERE network = $1 AND n = $2 AND waits = 3;
