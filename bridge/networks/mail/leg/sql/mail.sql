-- name: take
INSERT INTO mail_in (envelope, raw, received_at) VALUES ($1, $2, $3) RETURNING n;
-- name: waiting
SELECT n FROM mail_in WHERE n > $1 ORDER BY n LIMIT $2;
-- name: taken
SELECT envelope, raw FROM mail_in WHERE n = $1;
-- name: settled
DELETE FROM mail_in WHERE n = $1;

-- name: boxes
SELECT address, person FROM mail_box WHERE address > $1 ORDER BY address LIMIT $2;
-- name: holder
SELECT person FROM mail_box WHERE address = $1;
-- name: holders
SELECT address, person FROM mail_box WHERE address = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb))); -- pg
SELECT address, person FROM mail_box WHERE address IN (SELECT value FROM json_each($1)); -- sqlite
-- name: add_box
INSERT INTO mail_box (address, person) VALUES ($1, $2) ON CONFLICT (address) DO NOTHING;

-- name: refs
SELECT chat, mid, thread, ref, people, n FROM mail_ref WHERE mid = ANY (ARRAY(SELECT jsonb_array_elements_text($1::text::jsonb))); -- pg
SELECT chat, mid, thread, ref, people, n FROM mail_ref WHERE mid IN (SELECT value FROM json_each($1)); -- sqlite
-- name: ref
SELECT chat, mid, thread, ref, people, n, about FROM mail_ref WHERE ref = $1;
-- name: last_n
SELECT n FROM mail_ref ORDER BY -n LIMIT 1;
-- name: add_ref
INSERT INTO mail_ref (chat, mid, thread, ref, people, n, about) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (chat, mid) DO UPDATE SET ref = excluded.ref, thread = excluded.thread, people = excluded.people, n = excluded.n, about = excluded.about
WHERE mail_ref.ref IS NULL;
-- name: cite
INSERT INTO mail_ref (chat, mid, thread, ref, people, n) VALUES ($1, $2, $3, NULL, '', 0) ON CONFLICT (chat, mid) DO NOTHING;
-- name: set_about
UPDATE mail_ref SET about = $3 WHERE chat = $1 AND mid = $2;
-- name: within
UPDATE mail_ref SET mid = $3 WHERE chat = $1 AND mid = $2;
-- name: move
UPDATE mail_ref SET thread = $3 WHERE chat = $1 AND ref = $2;
-- name: chain
SELECT mid, n FROM (SELECT mid, n FROM mail_ref WHERE chat = $1 AND thread = $2 AND about IS NOT NULL
                    ORDER BY n LIMIT 1) AS first UNION
SELECT mid, n FROM (SELECT mid, n FROM mail_ref WHERE chat = $1 AND thread = $2 AND about IS NOT NULL
                    ORDER BY n DESC LIMIT $3) AS newest ORDER BY n;
-- name: last_mail
SELECT mid, about FROM mail_ref WHERE chat = $1 AND thread = $2 AND about IS NOT NULL ORDER BY n DESC LIMIT 1;
-- name: thread
SELECT about, handled_by, handled_at FROM mail_thread WHERE chat = $1 AND thread = $2;
-- name: add_thread
INSERT INTO mail_thread (chat, thread, about) VALUES ($1, $2, $3) ON CONFLICT (chat, thread) DO NOTHING;
-- name: set_thread
UPDATE mail_thread SET about = $3 WHERE chat = $1 AND thread = $2;
-- name: handled
UPDATE mail_thread SET handled_by = $3, handled_at = $4 WHERE chat = $1 AND thread = $2 AND handled_by IS NULL;
-- name: handler
UPDATE mail_thread SET handled_by = $3, handled_at = $4 WHERE chat = $1 AND thread = $2;
-- name: mark
INSERT INTO mail_ref (chat, mid, thread, ref, people, n) VALUES ($1, $2, $3, NULL, $4, $5) ON CONFLICT (chat, mid) DO NOTHING;
-- name: mark_of
SELECT thread FROM mail_ref WHERE chat = $1 AND mid = $2 AND ref IS NULL AND n > 0;
-- name: marks
SELECT mid, people FROM mail_ref WHERE chat = $1 AND thread = $2 ORDER BY n;
-- name: unmark
UPDATE mail_ref SET thread = $3 WHERE chat = $1 AND mid = $2;

-- name: add_draft
INSERT INTO mail_draft (id, chat, thread, n, at, body) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING;
-- name: redraft
UPDATE mail_draft SET body = $2 WHERE id = $1;
-- name: gathering
SELECT chat, thread, MIN(at) AS first FROM mail_draft WHERE thread NOT LIKE 'fix:%' AND (chat, thread) > ($1, $2)
GROUP BY chat, thread ORDER BY chat, thread LIMIT $3;
-- name: drafts
SELECT id, at, body FROM mail_draft WHERE chat = $1 AND thread = $2 ORDER BY n;
-- name: end_draft
DELETE FROM mail_draft WHERE id = $1;

-- name: last_out
SELECT n FROM mail_out ORDER BY -n LIMIT 1;
-- name: add_out
INSERT INTO mail_out (id, n, mid, sender, refs, raw, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO NOTHING;
-- name: add_to
INSERT INTO mail_to (mail, recipient, domain, state, next_at, n) VALUES ($1, $2, $3, 'queued', $4, $5)
ON CONFLICT (mail, recipient) DO NOTHING;
-- name: domain_after
SELECT domain FROM mail_to WHERE state = 'queued' AND domain > $1 ORDER BY domain LIMIT 1;
-- name: draft
SELECT at FROM mail_draft WHERE id = $1;
-- name: mail_of
SELECT mid FROM mail_ref WHERE ref = $1 LIMIT 1;
-- name: waits_where
SELECT t.domain, o.created_at, COUNT(*) AS n FROM mail_out o JOIN mail_to t ON t.mail = o.id
WHERE o.mid = $1 AND t.state = 'queued' GROUP BY t.domain, o.created_at ORDER BY t.domain LIMIT 100;
-- name: hurry
UPDATE mail_to SET next_at = 0 WHERE domain = $1 AND state = 'queued' AND next_at > 0;
-- name: due
SELECT t.mail, t.next_at, t.n, o.sender FROM mail_to t JOIN mail_out o ON o.id = t.mail
WHERE t.domain = $1 AND t.state = 'queued' AND t.next_at <= $2 AND (t.next_at, t.n) > ($3, $4)
ORDER BY t.next_at, t.n LIMIT 100;
-- name: waits_for
SELECT recipient, attempt, told FROM mail_to
WHERE mail = $1 AND state = 'queued' AND next_at <= $3
AND domain || '' = $2 -- by the mail: its recipients are few, the domain's are not
;
-- name: letter
SELECT id, mid, sender, refs, raw, created_at FROM mail_out WHERE id = $1;
-- name: next
SELECT MIN(next_at) AS next_at FROM mail_to WHERE domain = $1 AND state = 'queued';
-- name: outcome
UPDATE mail_to SET state = $3, reason = $4, told = 0 WHERE mail = $1 AND recipient = $2 AND state = 'queued';
-- name: untold
SELECT o.id, o.mid, o.sender, o.refs, o.created_at, t.recipient, t.state, t.reason
FROM mail_to t JOIN mail_out o ON o.id = t.mail WHERE t.told < 2 AND t.state <> 'queued' ORDER BY t.n LIMIT 100;
-- name: told
UPDATE mail_to SET told = 2 WHERE mail = $1 AND recipient = $2;
-- name: later
UPDATE mail_to SET attempt = attempt + 1, next_at = $3, told = $4 WHERE mail = $1 AND recipient = $2;
-- name: end_out
UPDATE mail_out SET raw = NULL WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM mail_to WHERE mail = $1 AND state = 'queued');
-- name: out_of_mid
SELECT id, mid, refs FROM mail_out WHERE mid = $1 OR id = $1;
-- name: lately
SELECT o.id, o.sender, o.created_at FROM mail_to t JOIN mail_out o ON o.id = t.mail
WHERE t.recipient = $1 AND t.state = 'accepted' ORDER BY t.n DESC LIMIT 50;
-- name: recipients
SELECT recipient, state FROM mail_to WHERE mail = $1;
-- name: forget_threads
DELETE FROM mail_thread WHERE chat = $1;
-- name: forget_refs
DELETE FROM mail_ref WHERE chat = $1;
-- name: out_waits
SELECT COUNT(*) AS n, MIN(n) AS first FROM (SELECT n FROM mail_to WHERE domain = $1 AND state = 'queued' AND next_at > -1
  ORDER BY next_at LIMIT $2) AS first;
-- name: out_since
SELECT created_at FROM mail_out WHERE -n = $1 LIMIT 1;
-- name: in_waits
SELECT COUNT(*) AS n, MIN(received_at) AS oldest FROM (SELECT received_at FROM mail_in WHERE n > 0 ORDER BY n LIMIT $1) AS first;
-- name: waiting_names
SELECT DISTINCT o.mid FROM mail_to t JOIN mail_out o ON o.id = t.mail WHERE t.state = 'queued' AND t.domain > '' LIMIT 1000;
