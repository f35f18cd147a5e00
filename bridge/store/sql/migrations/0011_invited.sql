-- Since when (ms) somebody is awaited; late = 1: there is no open invitation of which writers are still to be told.
ALTER TABLE awaited ADD COLUMN at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE awaited ADD COLUMN late INTEGER NOT NULL DEFAULT 1;
CREATE INDEX awaited_open ON awaited (network, at) WHERE late = 0;
