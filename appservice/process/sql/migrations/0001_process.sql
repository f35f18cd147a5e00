-- A known text, sealed with each key of the seal when the key was first used: it shows whether a key is still that key.
CREATE TABLE seal_proof (
    key_id TEXT PRIMARY KEY,
    sealed @blob NOT NULL
);
