-- needs: 6
-- What one ghost has asked one person for, and may ask for once more.
CREATE INDEX e2ee_request_asked ON e2ee_request (ghost, sender, tries);
