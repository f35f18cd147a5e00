"""Synapse as several processes: what `liaison homeserver init --workers` writes, running."""
