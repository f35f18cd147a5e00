-- When a session came (ms), so that the newest ones of a room are handed over to somebody who is invited.
ALTER TABLE e2ee_in ADD COLUMN came_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX e2ee_in_shared ON e2ee_in (room_id, came_at) WHERE shared_history = 1 AND trust = 'signed';
