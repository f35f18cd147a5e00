-- A question that is open, and the last vote of each person: both sealed, and gone once it has ended.
CREATE TABLE poll (message TEXT PRIMARY KEY, asked @blob NOT NULL, created_at BIGINT NOT NULL);
CREATE INDEX poll_created ON poll (created_at);
CREATE TABLE vote (
  poll TEXT NOT NULL, person TEXT NOT NULL, chosen @blob NOT NULL, sent_at BIGINT NOT NULL, PRIMARY KEY (poll, person)
);
