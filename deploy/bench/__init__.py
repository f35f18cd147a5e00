"""Measures a hub on this machine: `make bench`. Everything is relative to what the same machine does without a hub."""
