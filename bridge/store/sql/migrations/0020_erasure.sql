-- What goes with a user of a product is found without reading what others have.
CREATE INDEX early_address ON early (network, address);
CREATE INDEX looked_at_person ON looked_at (person, network);
