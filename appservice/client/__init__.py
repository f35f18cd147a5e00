"""The homeserver as seen from here: its calls, its names, events and files."""
