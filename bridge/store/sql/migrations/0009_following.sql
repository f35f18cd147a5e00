-- What the directory said last (sealed) of each professional whom the hub knows: members, and who has an account.
-- closed_at: since when (ms) the directory has them no more, or as closed.
CREATE TABLE acquaintance (person TEXT PRIMARY KEY, entry TEXT, closed_at BIGINT);
CREATE INDEX acquaintance_closed ON acquaintance (person) WHERE closed_at IS NOT NULL;
INSERT INTO acquaintance (person) SELECT person FROM member WHERE person LIKE 'rpps:%'
UNION SELECT person FROM account WHERE person LIKE 'rpps:%';
