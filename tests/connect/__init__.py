"""Liaison Connect: the API, the webhooks and the simulator, with the real hub on SQLite."""
