-- what was said under an id, as a keyed hash: nobody can tell the text from it, not even by guessing, without the key
CREATE TABLE connect_print (
  network TEXT NOT NULL, id TEXT NOT NULL, key TEXT NOT NULL, print @blob NOT NULL,
  PRIMARY KEY (network, id)
);
