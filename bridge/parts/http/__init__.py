"""Short calls over HTTP/1.1 that the way of every message makes, at a sixth of the price of a client for everything."""
