-- What is sealed here, for a change of the seal's key (appservice/process/sealing).

-- name: e2ee_ghost-seeds-page
SELECT user_id, substr(seeds, 1, 33) AS mark FROM e2ee_ghost WHERE user_id > $1 ORDER BY user_id LIMIT $2;
-- name: e2ee_ghost-seeds-one
SELECT user_id, seeds AS sealed FROM e2ee_ghost WHERE user_id = $1;
-- name: e2ee_ghost-seeds-swap
UPDATE e2ee_ghost SET seeds = $2 WHERE user_id = $1 AND seeds = $3;

-- name: e2ee_share-kept-page
SELECT session_id, user_id, device_id, substr(kept, 1, 33) AS mark FROM e2ee_share WHERE (session_id, user_id, device_id) > ($1, $2, $3) ORDER BY session_id, user_id, device_id LIMIT $4;
-- name: e2ee_share-kept-one
SELECT session_id, user_id, device_id, kept AS sealed FROM e2ee_share WHERE session_id = $1 AND user_id = $2 AND device_id = $3;
-- name: e2ee_share-kept-swap
UPDATE e2ee_share SET kept = $4 WHERE session_id = $1 AND user_id = $2 AND device_id = $3 AND kept = $5;

-- name: e2ee_ghost-account-page
SELECT user_id, key_id AS mark FROM e2ee_ghost WHERE user_id > $1 ORDER BY user_id LIMIT $2;
-- name: e2ee_ghost-account-one
SELECT user_id, key_id, account AS sealed FROM e2ee_ghost WHERE user_id = $1;
-- name: e2ee_ghost-account-swap
UPDATE e2ee_ghost SET account = $2, key_id = $3 WHERE user_id = $1 AND account = $4;

-- name: e2ee_olm-pickle-page
SELECT ghost, curve, session_id, key_id AS mark FROM e2ee_olm WHERE (ghost, curve, session_id) > ($1, $2, $3) ORDER BY ghost, curve, session_id LIMIT $4;
-- name: e2ee_olm-pickle-one
SELECT ghost, curve, session_id, key_id, pickle AS sealed FROM e2ee_olm WHERE ghost = $1 AND curve = $2 AND session_id = $3;
-- name: e2ee_olm-pickle-swap
UPDATE e2ee_olm SET pickle = $4, key_id = $5 WHERE ghost = $1 AND curve = $2 AND session_id = $3 AND pickle = $6;

-- name: e2ee_in-pickle-page
SELECT room_id, session_id, sender, key_id AS mark FROM e2ee_in WHERE (room_id, session_id, sender) > ($1, $2, $3) ORDER BY room_id, session_id, sender LIMIT $4;
-- name: e2ee_in-pickle-one
SELECT room_id, session_id, sender, key_id, pickle AS sealed FROM e2ee_in WHERE room_id = $1 AND session_id = $2 AND sender = $3;
-- name: e2ee_in-pickle-swap
UPDATE e2ee_in SET pickle = $4, key_id = $5 WHERE room_id = $1 AND session_id = $2 AND sender = $3 AND pickle = $6;

-- name: e2ee_out-pickle-page
SELECT session_id, key_id AS mark FROM e2ee_out WHERE session_id > $1 ORDER BY session_id LIMIT $2;
-- name: e2ee_out-pickle-one
SELECT session_id, key_id, pickle AS sealed FROM e2ee_out WHERE session_id = $1;
-- name: e2ee_out-pickle-swap
UPDATE e2ee_out SET pickle = $2, key_id = $3 WHERE session_id = $1 AND pickle = $4;

-- name: e2ee_spare-account-page
SELECT ghost, key_id AS mark FROM e2ee_spare WHERE ghost > $1 ORDER BY ghost LIMIT $2;
-- name: e2ee_spare-account-one
SELECT ghost, key_id, account AS sealed FROM e2ee_spare WHERE ghost = $1;
-- name: e2ee_spare-account-swap
UPDATE e2ee_spare SET account = $2, key_id = $3 WHERE ghost = $1 AND account = $4;
