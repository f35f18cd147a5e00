-- A copy of the database was restored: what it holds of Olm reads, and never writes again (retired), and the homeserver
-- may give out one-time keys whose private halves nobody has any more (stale).
ALTER TABLE e2ee_olm ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;
ALTER TABLE e2ee_ghost ADD COLUMN stale INTEGER NOT NULL DEFAULT 0;
CREATE INDEX e2ee_ghost_stale ON e2ee_ghost (user_id) WHERE stale = 1;
-- todo 2: not broken as far as anybody knows, and to be made anew all the same, in its turn.
CREATE INDEX e2ee_wedged_anew ON e2ee_wedged (ghost, user_id, curve) WHERE todo = 2;
