-- With whom somebody has written lately is asked at every search: the newest conversations come first by themselves.
DROP INDEX member_person;
CREATE INDEX member_person ON member (person, joined_at);
