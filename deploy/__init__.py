"""What runs the hub somewhere: the demo world, its far ends, and what an operator installs."""
