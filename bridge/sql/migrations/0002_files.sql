-- documents of messages that wait: sealed; gone with the last delivery of their message
CREATE TABLE file (
  message TEXT NOT NULL, n INTEGER NOT NULL, about @blob NOT NULL, body @blob NOT NULL,
  PRIMARY KEY (message, n)
);
CREATE INDEX member_person ON member (person);
-- how people who are in no directory call themselves
CREATE TABLE name (person TEXT PRIMARY KEY, name TEXT NOT NULL);
