-- A lane's messages in order, without a look at those that are held.
DROP INDEX delivery_lane;
CREATE INDEX delivery_lane ON delivery (conversation, network, held, pos);
-- The lanes of a network, whichever has waited longest first; held messages in order.
CREATE INDEX delivery_order ON delivery (network, pos) WHERE held = 0;
CREATE INDEX delivery_held ON delivery (pos, message) WHERE held = 1;
