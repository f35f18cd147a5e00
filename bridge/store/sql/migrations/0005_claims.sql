-- that a product declares a professional whom another product has: held until she, or the operator, has decided
CREATE TABLE claim (
  person TEXT NOT NULL, network TEXT NOT NULL, state TEXT NOT NULL, since BIGINT NOT NULL,
  decided_at BIGINT, decided_by TEXT, PRIMARY KEY (person, network)
);
CREATE INDEX claim_state ON claim (state, since);
-- what products have to be told about accounts of theirs
CREATE TABLE account_news (
  n @serial, id TEXT NOT NULL, network TEXT NOT NULL, account TEXT NOT NULL, event TEXT NOT NULL, claimant TEXT NOT NULL,
  state TEXT NOT NULL, at BIGINT NOT NULL
);
CREATE INDEX account_news_next ON account_news (network, n);
