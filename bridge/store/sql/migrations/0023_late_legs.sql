-- Legs on which something waits for longer than operators like: one row from the moment that is said until it is over.
CREATE TABLE late_leg (
  network TEXT NOT NULL, conversation TEXT NOT NULL, since BIGINT NOT NULL, PRIMARY KEY (network, conversation)
);
CREATE INDEX delivery_late_lane ON delivery (conversation, network) WHERE late = 1;
