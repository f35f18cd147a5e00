-- Nothing here is looked for among all sessions or all keys that are kept.

-- Our sessions in use by room and by ghost, and those that may be forgotten.
DROP INDEX e2ee_out_room;
CREATE INDEX e2ee_out_live ON e2ee_out (room_id, ghost) WHERE retired = 0;
CREATE INDEX e2ee_out_ghost ON e2ee_out (ghost) WHERE retired = 0;
CREATE INDEX e2ee_out_old ON e2ee_out (created_at) WHERE retired = 1;

-- Keys that are kept, by person and room; room is that of the session, and null where no key is kept.
ALTER TABLE e2ee_share ADD COLUMN room TEXT;
UPDATE e2ee_share SET room = (SELECT o.room_id FROM e2ee_out o WHERE o.session_id = e2ee_share.session_id)
WHERE kept IS NOT NULL;
DROP INDEX e2ee_share_late;
DROP INDEX e2ee_share_held;
CREATE INDEX e2ee_share_kept ON e2ee_share (user_id, room, session_id, device_id) WHERE kept IS NOT NULL;

-- For whom keys are kept in a room, when they are tried again (ms; 0: at once) and how long to wait after that.
CREATE TABLE e2ee_late (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    delay BIGINT NOT NULL,
    PRIMARY KEY (user_id, room_id)
);
CREATE INDEX e2ee_late_at ON e2ee_late (at);
INSERT INTO e2ee_late (user_id, room_id, at, delay)
SELECT DISTINCT user_id, room, 0, 5000 FROM e2ee_share WHERE kept IS NOT NULL AND room IS NOT NULL;

CREATE INDEX e2ee_wedged_todo ON e2ee_wedged (ghost, user_id, curve) WHERE todo = 1;

-- The names of the seal's keys under which private keys may be stored.
CREATE TABLE e2ee_seal_key (key_id TEXT NOT NULL PRIMARY KEY);
INSERT INTO e2ee_seal_key (key_id)
SELECT key_id FROM e2ee_ghost UNION SELECT key_id FROM e2ee_olm
UNION SELECT key_id FROM e2ee_in UNION SELECT key_id FROM e2ee_out
UNION SELECT CAST(substr(seeds, 2, unicode(CAST(substr(seeds, 1, 1) AS TEXT))) AS TEXT) FROM e2ee_ghost -- sqlite
UNION SELECT convert_from(substr(seeds, 2, get_byte(seeds, 0)), 'UTF8') FROM e2ee_ghost -- pg
;
