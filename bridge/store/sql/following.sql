-- name: meet
INSERT INTO acquaintance (person, entry) VALUES ($1, $2) ON CONFLICT (person) DO NOTHING;
-- name: known
SELECT person, entry, closed_at FROM acquaintance WHERE person > $1 ORDER BY person LIMIT $2;
-- name: one
SELECT person, entry, closed_at FROM acquaintance WHERE person = $1;
-- name: gone
SELECT person, entry FROM acquaintance WHERE closed_at IS NOT NULL AND person > $1 ORDER BY person LIMIT $2;
-- name: note
INSERT INTO acquaintance (person, entry, closed_at) VALUES ($1, $2, $3)
ON CONFLICT (person) DO UPDATE SET entry = excluded.entry, closed_at = excluded.closed_at;
-- name: memberships
SELECT conversation, network, address FROM member WHERE person = $1;

-- name: revocations
SELECT network, id, person, why, at, by_whom FROM revocation WHERE (network, id, person) > ($1, $2, $3)
ORDER BY network, id, person LIMIT $4;
-- name: revoke
INSERT INTO revocation (network, id, person, why, at, by_whom) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (network, id, person) DO UPDATE SET why = excluded.why, at = excluded.at, by_whom = excluded.by_whom;
-- name: restore
DELETE FROM revocation WHERE network = $1 AND id = $2 AND person = $3;

-- name: move_member
UPDATE member SET network = $3, address = $4 WHERE conversation = $1 AND person = $2;
-- name: waits_there
SELECT d.id, d.message, d.held, d.body, d.reply_to, d.thread, d.created_at, m.network AS origin,
  (SELECT 1 FROM delivery o WHERE o.message = d.message AND o.network = $4) AS also,
  (SELECT 1 FROM ref f WHERE f.message = d.message AND f.network = $4 LIMIT 1) AS there
FROM delivery d JOIN message m ON m.id = d.message
JOIN recipient r ON r.message = d.message AND r.person = $3 AND r.network = d.network AND r.state = 'accepted'
WHERE d.conversation = $1 AND d.network = $2 ORDER BY d.held, d.pos LIMIT 1000;
-- name: waiting_ids
SELECT id FROM delivery WHERE conversation = $1 AND network = $2 ORDER BY held, pos LIMIT 1000;
-- name: goes_there
UPDATE recipient SET network = $4, reason = NULL WHERE message = $1 AND person = $2 AND network = $3 AND state = 'accepted';
-- name: end_unmeant
DELETE FROM delivery WHERE id = $1 AND NOT EXISTS
  (SELECT 1 FROM recipient r WHERE r.message = $2 AND r.network = $3 AND r.state = 'accepted');

-- name: take_over
INSERT INTO taking_over (conversation, person, account) SELECT m.conversation, m.person, $2 FROM member m
JOIN leg l ON l.conversation = m.conversation AND l.network = 'matrix' AND l.chat IS NOT NULL
WHERE m.person = $1 AND m.network <> 'matrix'
ON CONFLICT (conversation, person) DO UPDATE SET account = excluded.account;
-- name: next_takeover
SELECT conversation, person, account FROM taking_over WHERE conversation > $1 ORDER BY conversation LIMIT 1;
-- name: end_takeover
DELETE FROM taking_over WHERE conversation = $1 AND person = $2;
