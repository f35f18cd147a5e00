-- name: account
DELETE FROM account WHERE network = $1 AND id = $2;
-- name: early
DELETE FROM early WHERE network = $1 AND address = $2;
-- name: looked_at
DELETE FROM looked_at WHERE person = $1 AND network = $2;
-- name: language
DELETE FROM language WHERE person = $1;
-- name: name
DELETE FROM name WHERE person = $1;
