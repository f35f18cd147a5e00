-- What waits for long, found for a whole network and not only for a lane.
DROP INDEX delivery_late;
CREATE INDEX delivery_late ON delivery (network, late, created_at);
-- Deliveries that are to be tried again; only a lane's first one ever is.
CREATE INDEX delivery_again ON delivery (network, next_at) WHERE next_at > 0;
