-- documents of messages that wait: sealed; gone with the last delivery of their message
CREATE TABLE file (
  message TEXT NOT NULL, n INTEGER NOT NULL, about @blob NOT NULL, body @blob NOT NULL,
  PRIMARY KEY (message, n)
);
-- a message may have several names in one network (its files); also = 1: not the one that others answer to
ALTER TABLE ref ADD COLUMN also INTEGER NOT NULL DEFAULT 0;
CREATE INDEX member_person ON member (person);
-- how people who are in no directory call themselves
CREATE TABLE name (person TEXT PRIMARY KEY, name TEXT NOT NULL);
