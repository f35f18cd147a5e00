"""What goes to the homeserver."""
