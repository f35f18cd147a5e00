-- One row per ghost: its device, keys and place in the to-device stream. stage 0: being made, 1: verified as served.
CREATE TABLE e2ee_ghost (
    user_id TEXT PRIMARY KEY,
    device_id TEXT NOT NULL,
    stage INTEGER NOT NULL,
    curve TEXT NOT NULL,
    ed TEXT NOT NULL,
    device_keys TEXT NOT NULL,
    seeds @blob NOT NULL,
    account TEXT NOT NULL,
    key_id TEXT NOT NULL,
    next_batch TEXT
);
-- A person whose devices we have asked for. master is the key pinned at first sight, found the one served now.
CREATE TABLE e2ee_user (
    user_id TEXT PRIMARY KEY,
    master TEXT,
    found TEXT,
    outdated INTEGER NOT NULL
);
CREATE TABLE e2ee_device (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    curve TEXT NOT NULL,
    ed TEXT NOT NULL,
    signed INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id)
);
-- Olm sessions; used is the time of the last decryption (0: never), the newest one encrypts.
CREATE TABLE e2ee_olm (
    ghost TEXT NOT NULL,
    curve TEXT NOT NULL,
    session_id TEXT NOT NULL,
    used BIGINT NOT NULL,
    pickle TEXT NOT NULL,
    key_id TEXT NOT NULL,
    PRIMARY KEY (ghost, curve, session_id)
);
-- Hashes of Olm messages that were read: tells a duplicate from a broken session.
CREATE TABLE e2ee_olm_read (
    hash TEXT PRIMARY KEY,
    at BIGINT NOT NULL
);
CREATE INDEX e2ee_olm_read_at ON e2ee_olm_read (at);
-- Broken Olm sessions: when a new one was last made, and whether one still has to be.
CREATE TABLE e2ee_wedged (
    ghost TEXT NOT NULL,
    user_id TEXT NOT NULL,
    curve TEXT NOT NULL,
    at BIGINT NOT NULL,
    todo INTEGER NOT NULL,
    PRIMARY KEY (ghost, user_id, curve)
);
-- Megolm sessions that we can read; sender is their owner, receiver the ghost that got them for all of us.
CREATE TABLE e2ee_in (
    room_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    curve TEXT NOT NULL,
    ed TEXT NOT NULL,
    device_id TEXT,
    receiver TEXT NOT NULL,
    trust TEXT NOT NULL,
    first_index BIGINT NOT NULL,
    shared_history INTEGER NOT NULL,
    forwarded INTEGER NOT NULL,
    pickle TEXT NOT NULL,
    key_id TEXT NOT NULL,
    PRIMARY KEY (room_id, session_id, sender)
);
CREATE INDEX e2ee_in_session ON e2ee_in (session_id);
-- Which event used an index of a Megolm session: another one with the same index is a replay.
CREATE TABLE e2ee_seen (
    room_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    place BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    PRIMARY KEY (room_id, session_id, sender, place)
);
-- Senders told us that we do not get this session, and why.
CREATE TABLE e2ee_withheld (
    room_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    code TEXT NOT NULL,
    PRIMARY KEY (room_id, session_id, sender)
);
-- Our own Megolm sessions; retired ones are kept to answer key requests.
CREATE TABLE e2ee_out (
    session_id TEXT PRIMARY KEY,
    room_id TEXT NOT NULL,
    ghost TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used BIGINT NOT NULL,
    shared_history INTEGER NOT NULL,
    retired INTEGER NOT NULL,
    pickle TEXT NOT NULL,
    key_id TEXT NOT NULL
);
CREATE INDEX e2ee_out_room ON e2ee_out (room_id, ghost, retired);
-- What became of a session for a device: pending, sent, no_olm, unknown (device_id '*': the list is not known), withheld.
-- kept is the sealed session key at the index from which the device may read, until it could be sent.
CREATE TABLE e2ee_share (
    session_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    state TEXT NOT NULL,
    place BIGINT NOT NULL,
    code TEXT,
    txn TEXT,
    kept @blob,
    PRIMARY KEY (session_id, user_id, device_id)
);
CREATE INDEX e2ee_share_late ON e2ee_share (state) WHERE state IN ('no_olm', 'unknown');
CREATE INDEX e2ee_share_txn ON e2ee_share (txn) WHERE txn IS NOT NULL;
-- To-device messages on their way: saved before they leave, sent again word for word after a crash.
CREATE TABLE e2ee_send (
    id @serial,
    ghost TEXT NOT NULL,
    txn TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    body @blob NOT NULL
);
-- m.no_olm is told once per device until a session existed again.
CREATE TABLE e2ee_no_olm (
    ghost TEXT NOT NULL,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    PRIMARY KEY (ghost, user_id, device_id)
);
-- Our open key requests.
CREATE TABLE e2ee_request (
    room_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    ghost TEXT NOT NULL,
    request_id TEXT NOT NULL,
    tries BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    PRIMARY KEY (room_id, session_id, sender)
);
