"""A homeserver as the federation wants it: the files that make one, and what differs from them."""
