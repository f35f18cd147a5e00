-- needs: 4
-- Since when a column is sealed anew, when it was last worked on, and how many of its rows did not open and keep their old seal.
ALTER TABLE resealing ADD COLUMN began_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE resealing ADD COLUMN at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE resealing ADD COLUMN kept BIGINT NOT NULL DEFAULT 0;
