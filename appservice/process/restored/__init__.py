"""What follows when the database turns out to be an older copy."""
