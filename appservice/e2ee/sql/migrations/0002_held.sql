-- Keys kept for devices that their owner had not signed: found when that has changed.

CREATE INDEX e2ee_share_held ON e2ee_share (user_id) WHERE state = 'withheld' AND kept IS NOT NULL;
