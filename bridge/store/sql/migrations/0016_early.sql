-- What was corrected or taken back: about is the message itself, also where the correction of a correction was meant.
CREATE TABLE correction (
  message TEXT PRIMARY KEY, about TEXT NOT NULL, kind TEXT NOT NULL, sent_at BIGINT NOT NULL
);
CREATE INDEX correction_about ON correction (about, kind, sent_at);
-- What came before the message that it is about. body: sealed; until (ms): when its writer hears that this never came
CREATE TABLE early (
  network TEXT NOT NULL, id TEXT NOT NULL, about TEXT NOT NULL, conversation TEXT NOT NULL, chat TEXT NOT NULL,
  address TEXT NOT NULL, kind TEXT NOT NULL, body @blob NOT NULL, sent_at BIGINT NOT NULL, accepted_at BIGINT NOT NULL,
  until BIGINT NOT NULL, PRIMARY KEY (network, id)
);
CREATE INDEX early_about ON early (network, about, sent_at, id);
CREATE INDEX early_until ON early (until);
