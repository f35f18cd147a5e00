"""What waits, where a message is, and what an operator decides about it."""
