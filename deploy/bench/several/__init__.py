"""A hub of several workers, a homeserver of several processes."""
