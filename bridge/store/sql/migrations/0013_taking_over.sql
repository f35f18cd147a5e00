-- Rooms to which somebody's own, new Matrix account is to be invited: it takes over from their ghost once it has joined.
CREATE TABLE taking_over (
  conversation TEXT NOT NULL, person TEXT NOT NULL, account TEXT NOT NULL, PRIMARY KEY (conversation, person)
);
