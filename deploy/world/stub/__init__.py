"""STUB far ends: what a real homeserver does not do on demand, and people who need no client."""
