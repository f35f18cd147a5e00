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
SELECT m.conversation, m.network, m.address, l.chat FROM member m
JOIN leg l ON l.conversation = m.conversation AND l.network = m.network WHERE m.person = $1 ORDER BY m.conversation;
