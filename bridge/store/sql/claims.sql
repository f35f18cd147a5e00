-- name: accounts
SELECT a.network, a.id, a.person, a.declared_at, a.proof,
  (SELECT c.state FROM claim c WHERE c.person = a.person AND c.network = a.network) AS state
FROM account a WHERE (a.network, a.id) > ($1, $2) ORDER BY a.network, a.id LIMIT $3;
-- name: place
UPDATE account SET declared_at = $3 WHERE network = $1 AND id = $2;
-- name: one
SELECT network, person, state, since, decided_at, decided_by FROM claim WHERE person = $1 AND network = $2;
-- name: of
SELECT network, person, state, since, decided_at, decided_by FROM claim WHERE person = $1 ORDER BY since, network;
-- name: page
SELECT network, person, state, since, decided_at, decided_by FROM claim WHERE state = $1
ORDER BY since DESC, person, network LIMIT $2;
-- name: add
INSERT INTO claim (person, network, state, since) VALUES ($1, $2, 'held', $3);
-- name: decide
INSERT INTO claim (person, network, state, since, decided_at, decided_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (person, network) DO UPDATE SET state = excluded.state, decided_at = excluded.decided_at,
decided_by = excluded.decided_by;

-- name: add_news
INSERT INTO account_news (id, network, account, event, claimant, state, at) VALUES ($1, $2, $3, $4, $5, $6, $7);
-- name: next_news
SELECT n, id, network, account, event, claimant, state, at FROM account_news WHERE network = $1 ORDER BY n LIMIT 1;
-- name: end_news
DELETE FROM account_news WHERE n = $1;
