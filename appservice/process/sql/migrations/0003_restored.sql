-- When the life was last counted (ms), and how far the homeserver has said that it knows it: one that knows less later was
-- restored itself.
ALTER TABLE life ADD COLUMN at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE life ADD COLUMN confirmed BIGINT NOT NULL DEFAULT 0;
-- Each time that an older copy was noticed (older, moved, homeserver); since and until bound what it may not know (ms).
CREATE TABLE restored (
    noticed_at BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    over_at BIGINT
);
-- What may happen a second time, what was found again, and what is lost; by id, for the operator.
CREATE TABLE restored_item (
    n @serial,
    noticed_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    about TEXT NOT NULL
);
CREATE INDEX restored_item_kind ON restored_item (noticed_at, kind, n);
