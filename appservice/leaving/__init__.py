"""What goes to the homeserver: messages as events, saved before they leave, and what became of them."""
