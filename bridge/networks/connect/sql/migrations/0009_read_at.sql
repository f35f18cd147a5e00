-- needs: 8
-- When a product last read its log (ms since 1970), to the minute.
ALTER TABLE connect_log ADD COLUMN read_at BIGINT;
