-- name: all
SELECT person, language FROM language WHERE person > $1 ORDER BY person LIMIT $2;
-- name: choose
INSERT INTO language (person, language) VALUES ($1, $2) ON CONFLICT (person) DO UPDATE SET language = excluded.language;
