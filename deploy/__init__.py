"""What an operator installs; below it the world of far ends, the demo, the bench and the scripts of developers."""
