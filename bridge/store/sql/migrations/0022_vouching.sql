-- How strongly the account is bound to the person (bridge/vouching.py), and since when (ms).
ALTER TABLE account ADD COLUMN proof INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN proven_at BIGINT NOT NULL DEFAULT 0;
