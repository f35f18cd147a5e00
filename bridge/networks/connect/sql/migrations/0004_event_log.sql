-- Webhooks of products that asked for a log of them, sealed. waits: 1 the product has it not yet, 2 and its sender knows
-- that it waits for long, 0 it was taken. named: the product's own id of it. lane: what is handed out in order.
CREATE TABLE connect_event (
  network TEXT NOT NULL, n BIGINT NOT NULL, id TEXT NOT NULL, lane TEXT NOT NULL, message TEXT, named TEXT,
  body @blob NOT NULL, size BIGINT NOT NULL, at BIGINT NOT NULL, waits INTEGER NOT NULL,
  PRIMARY KEY (network, n)
);
CREATE UNIQUE INDEX connect_event_id ON connect_event (network, id);
CREATE INDEX connect_event_waits ON connect_event (network, n) WHERE waits > 0;
CREATE INDEX connect_event_lane ON connect_event (network, lane) WHERE waits > 0;
CREATE INDEX connect_event_late ON connect_event (network, at) WHERE waits = 1;
-- n: the last place that was given; handed: the last one that was read; gone: the last one that was deleted.
CREATE TABLE connect_log (
  network TEXT NOT NULL PRIMARY KEY, n BIGINT NOT NULL DEFAULT 0, handed BIGINT NOT NULL DEFAULT 0,
  gone BIGINT NOT NULL DEFAULT 0, bytes BIGINT NOT NULL DEFAULT 0
);
