"""The story of the demo, told in a world of real servers and clients: `make demo`."""
