-- Tokens that products asked for by the API, as hashes. until: the last moment at which one is good (ms), NULL: for good.
-- A token of the configuration is here once it has an end.
CREATE TABLE connect_token (
  hash TEXT NOT NULL PRIMARY KEY, network TEXT NOT NULL, at BIGINT NOT NULL, until BIGINT, used BIGINT
);
CREATE INDEX connect_token_network ON connect_token (network);
-- Webhook secrets likewise, sealed. A secret of the configuration is here once it has an end: by its print, without itself.
CREATE TABLE connect_secret (
  network TEXT NOT NULL, id TEXT NOT NULL, secret @blob, at BIGINT NOT NULL, until BIGINT, PRIMARY KEY (network, id)
);
