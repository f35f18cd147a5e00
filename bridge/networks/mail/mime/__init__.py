"""What a mail says: its bytes taken apart, without trust in any of them. Pure."""
