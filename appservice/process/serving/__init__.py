"""How a process of a hub runs: alone, or as one of several workers."""
