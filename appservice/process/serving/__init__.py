"""What one process of a hub is among several."""
