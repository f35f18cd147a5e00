-- Each load has these tables for itself: a file of its own (SQLite) or a schema of its own (PostgreSQL).

-- name: make-state
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL)

-- name: make-entry
CREATE TABLE IF NOT EXISTS entry (
    number BIGINT NOT NULL, -- pg
    number INTEGER PRIMARY KEY, -- sqlite
    id TEXT COLLATE "C" NOT NULL, -- pg
    id TEXT NOT NULL, -- sqlite
    rank INTEGER NOT NULL,
    print @blob NOT NULL,
    standing INTEGER NOT NULL,
    since TEXT NOT NULL,
    said TEXT NOT NULL,
    lines TEXT NOT NULL
)

-- name: make-posting
CREATE TABLE IF NOT EXISTS posting (
    word TEXT COLLATE "C" NOT NULL, -- pg
    word TEXT NOT NULL, -- sqlite
    part INTEGER NOT NULL,
    many INTEGER NOT NULL,
    docs @blob NOT NULL
)

-- name: make-mark
CREATE TABLE IF NOT EXISTS mark (
    word TEXT COLLATE "C" NOT NULL, -- pg
    word TEXT NOT NULL, -- sqlite
    number BIGINT NOT NULL
)

-- name: make-word
CREATE TABLE IF NOT EXISTS word (
    number INTEGER PRIMARY KEY,
    word TEXT COLLATE "C" NOT NULL, -- pg
    word TEXT NOT NULL, -- sqlite
    many BIGINT NOT NULL
)

-- name: make-gram
CREATE TABLE IF NOT EXISTS gram (
    gram TEXT COLLATE "C" PRIMARY KEY, -- pg
    gram TEXT PRIMARY KEY, -- sqlite
    words @blob NOT NULL
)

-- name: make-gone
CREATE TABLE IF NOT EXISTS gone (number BIGINT PRIMARY KEY)

-- name: finish-entry
CREATE UNIQUE INDEX IF NOT EXISTS entry_id ON entry (id)

-- name: finish-number
CREATE UNIQUE INDEX IF NOT EXISTS entry_number ON entry (number) -- pg
SELECT 1 -- sqlite

-- name: finish-posting
CREATE UNIQUE INDEX IF NOT EXISTS posting_word ON posting (word, part)

-- name: finish-mark
CREATE INDEX IF NOT EXISTS mark_word ON mark (word, number)

-- name: finish-marked
CREATE INDEX IF NOT EXISTS mark_number ON mark (number)

-- name: finish-words
INSERT INTO word (number, word, many)
SELECT row_number() OVER (ORDER BY word), word, sum(many) FROM posting WHERE word NOT LIKE '%*' GROUP BY word

-- name: finish-word
CREATE UNIQUE INDEX IF NOT EXISTS word_word ON word (word)

-- name: analyze
VACUUM (FREEZE, ANALYZE) entry, posting, mark, word, gram -- pg
SELECT 1 -- sqlite

-- name: forget-entries
DELETE FROM entry WHERE number >= $1 AND number < $2

-- name: forget-marks
DELETE FROM mark WHERE number >= $1 AND number < $2

-- name: forget-words
DELETE FROM word

-- name: forget-grams
DELETE FROM gram

-- name: put
INSERT INTO state (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value

-- name: get
SELECT value FROM state WHERE key = $1

-- name: page
SELECT id, print, standing, since, said, lines FROM entry WHERE id > $1 ORDER BY id LIMIT $2

-- name: words-page
SELECT number, word FROM word WHERE number > $1 ORDER BY number LIMIT $2

-- name: numbered
SELECT number, id, rank, standing, lines FROM entry WHERE number = ANY($1::bigint[]) -- pg
SELECT number, id, rank, standing, lines FROM entry WHERE number IN (SELECT value FROM json_each($1)) -- sqlite

-- name: of
SELECT number, id, rank, print, standing, since, said, lines FROM entry WHERE id = ANY($1::text[]) -- pg
SELECT number, id, rank, print, standing, since, said, lines FROM entry WHERE id IN (SELECT value FROM json_each($1)) -- sqlite

-- name: ids-from
SELECT number FROM entry WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3

-- name: postings
SELECT word, part, docs FROM posting WHERE word = ANY($1::text[]) AND part BETWEEN $2 AND $3 ORDER BY part -- pg
SELECT word, part, docs FROM posting WHERE word IN (SELECT value FROM json_each($1)) AND part BETWEEN $2 AND $3 ORDER BY part -- sqlite

-- name: marks
SELECT word, number FROM mark WHERE word = ANY($1::text[]) -- pg
SELECT word, number FROM mark WHERE word IN (SELECT value FROM json_each($1)) -- sqlite

-- name: marks-from
SELECT word, number FROM mark WHERE word >= $1 AND word < $2 ORDER BY word, number LIMIT $3

-- name: boxes-page
SELECT mark.word, mark.number, entry.standing FROM mark JOIN entry ON entry.number = mark.number
WHERE (mark.word, mark.number) > ($1, $2) AND mark.word LIKE '%@%' ORDER BY mark.word, mark.number LIMIT $3

-- name: begins
SELECT word, many FROM word WHERE word >= $1 AND word < $2 AND many > 0 ORDER BY many DESC, word LIMIT $3

-- name: begin-so
-- PostgreSQL cannot know how many words begin so: joined plainly, it reads all 400,000 of them for each of several.
SELECT b.value AS begin, w.word FROM unnest($1::text[]) AS b (value) CROSS JOIN LATERAL ( -- pg
SELECT word, many FROM word WHERE word >= b.value COLLATE "C" AND word < (b.value || $2) COLLATE "C" AND many > 0 -- pg
ORDER BY many DESC, word LIMIT $3) w -- pg
SELECT b.value AS begin, w.word FROM json_each($1) b CROSS JOIN word w ON w.word >= b.value AND w.word < b.value || $2 -- sqlite
WHERE w.many > 0 ORDER BY w.many DESC, w.word, b.value LIMIT $3

-- name: counts
SELECT word, many FROM word WHERE many > 0 AND word = ANY($1::text[]) -- pg
SELECT word, many FROM word WHERE many > 0 AND word IN (SELECT value FROM json_each($1)) -- sqlite

-- name: grams
SELECT gram, words FROM gram WHERE gram = ANY($1::text[]) -- pg
SELECT gram, words FROM gram WHERE gram IN (SELECT value FROM json_each($1)) -- sqlite

-- name: words-numbered
SELECT word, many FROM word WHERE many > 0 AND number = ANY($1::int[]) -- pg
SELECT word, many FROM word WHERE many > 0 AND number IN (SELECT value FROM json_each($1)) -- sqlite

-- name: fresh
SELECT number, id, rank FROM entry WHERE number >= $1 ORDER BY number

-- name: gone
SELECT number FROM gone

-- name: last-word
SELECT max(number) AS number FROM word

-- name: replaced
DELETE FROM entry WHERE number = $1

-- name: unmark
DELETE FROM mark WHERE number = $1

-- name: lost
INSERT INTO gone (number) VALUES ($1) ON CONFLICT DO NOTHING

-- name: counted
UPDATE word SET many = many + $2 WHERE word = $1

-- name: entered
INSERT INTO entry (number, id, rank, print, standing, since, said, lines) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: marked
INSERT INTO mark (word, number) VALUES ($1, $2)

-- name: new-word
INSERT INTO word (number, word, many) VALUES ($1, $2, $3)

-- name: vocabulary
SELECT word FROM word WHERE word = ANY($1::text[]) -- pg
SELECT word FROM word WHERE word IN (SELECT value FROM json_each($1)) -- sqlite

-- name: posted
INSERT INTO posting (word, part, many, docs) VALUES ($1, $2, $3, $4)
ON CONFLICT (word, part) DO UPDATE SET many = excluded.many, docs = excluded.docs

-- name: grammed
INSERT INTO gram (gram, words) VALUES ($1, $2) ON CONFLICT (gram) DO UPDATE SET words = excluded.words
