"""Start, checks, the registration."""
