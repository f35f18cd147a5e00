"""What comes from the homeserver."""
