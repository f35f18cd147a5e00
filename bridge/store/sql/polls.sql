-- name: ask
INSERT INTO poll (message, asked, created_at) VALUES ($1, $2, $3) ON CONFLICT (message) DO NOTHING;
-- name: asked
SELECT asked FROM poll WHERE message = $1;
-- name: vote
INSERT INTO vote (poll, person, chosen, sent_at) VALUES ($1, $2, $3, $4) ON CONFLICT (poll, person) DO UPDATE
SET chosen = excluded.chosen, sent_at = excluded.sent_at WHERE vote.sent_at <= excluded.sent_at;
-- name: votes
SELECT person, chosen FROM vote WHERE poll = $1 ORDER BY person;
-- name: end_votes
DELETE FROM vote WHERE poll = $1;
-- name: end
DELETE FROM poll WHERE message = $1;
-- name: old
SELECT message FROM poll WHERE created_at < $1 ORDER BY created_at LIMIT $2;
