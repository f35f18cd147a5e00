-- name: page
SELECT c.id, c.created_at, t.until, CASE WHEN r.conversation IS NULL THEN 0 ELSE 1 END AS own, r.seconds,
  (SELECT m.accepted_at FROM message m WHERE m.conversation = c.id AND (m.kind <> 'notice' OR m.ref NOT LIKE 'retention:%')
   ORDER BY m.pos DESC LIMIT 1) AS last
FROM conversation c LEFT JOIN retention r ON r.conversation = c.id LEFT JOIN retention_told t ON t.conversation = c.id
WHERE c.id > $1 ORDER BY c.id LIMIT $2;
-- name: tell
INSERT INTO retention_told (conversation, until) VALUES ($1, $2) ON CONFLICT (conversation) DO UPDATE SET until = excluded.until;
-- name: untell
DELETE FROM retention_told WHERE conversation = $1;
-- name: keep
INSERT INTO retention (conversation, seconds) VALUES ($1, $2) ON CONFLICT (conversation) DO UPDATE SET seconds = excluded.seconds;
-- name: as-others
DELETE FROM retention WHERE conversation = $1;
-- name: waits
SELECT 1 AS n FROM delivery WHERE conversation = $1 LIMIT 1;
-- name: messages
SELECT id FROM message WHERE conversation = $1 ORDER BY pos LIMIT $2;
-- name: end_refs
DELETE FROM ref WHERE message = $1;
-- name: end_recipients
DELETE FROM recipient WHERE message = $1;
-- name: end_report
DELETE FROM report WHERE message = $1;
-- name: end_corrections
DELETE FROM correction WHERE message = $1;
-- name: end_files
DELETE FROM file WHERE message = $1;
-- name: end_poll
DELETE FROM poll WHERE message = $1;
-- name: end_votes
DELETE FROM vote WHERE poll = $1;
-- name: end_watched
DELETE FROM watched WHERE message = $1;
-- name: end_message
DELETE FROM message WHERE id = $1;
-- name: end_late_leg
DELETE FROM late_leg WHERE network = $1 AND conversation = $2;
-- name: end_awaited
DELETE FROM awaited WHERE network = $1 AND conversation = $2;
-- name: end_looked
DELETE FROM looked_at WHERE conversation = $1;
-- name: end_taking_over
DELETE FROM taking_over WHERE conversation = $1;
-- name: end_seats
DELETE FROM seat WHERE conversation = $1;
-- name: end_watch
DELETE FROM watch WHERE conversation = $1;
-- name: end_members
DELETE FROM member WHERE conversation = $1;
-- name: end_legs
DELETE FROM leg WHERE conversation = $1;
-- name: end_conversation
DELETE FROM conversation WHERE id = $1;
