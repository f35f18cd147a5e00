"""A delivery is handed to its network, and that is noted."""
