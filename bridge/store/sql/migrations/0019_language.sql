-- In which language somebody reads what the hub says: fr, en or both. Whoever has not chosen reads that of the house.
CREATE TABLE language (person TEXT PRIMARY KEY, language TEXT NOT NULL);
