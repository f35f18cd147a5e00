-- Who is logged in to the console. `id` and `login` are SHA-256 of secrets that only the browser has: a copy of the database
-- lets nobody in. `login`: the way through the provider that led here; it leads here once. `token`: the provider's identity
-- token, sealed, by which it ends its own session. Times in ms since 1970; `ended`: 0 while it counts.
CREATE TABLE console_session (
    id TEXT PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    sid TEXT NOT NULL,
    name TEXT NOT NULL,
    acts INTEGER NOT NULL,
    token @blob NOT NULL,
    began BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    ended BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX console_session_subject ON console_session (subject, id) WHERE ended = 0;
CREATE INDEX console_session_sid ON console_session (sid, id) WHERE ended = 0;
CREATE INDEX console_session_ends ON console_session (ends);
-- What the provider has said once about the end of its sessions; kept while its word would count again.
CREATE TABLE console_said (
    id TEXT PRIMARY KEY,
    ends BIGINT NOT NULL
);
CREATE INDEX console_said_ends ON console_said (ends);
