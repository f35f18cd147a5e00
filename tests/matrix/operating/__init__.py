"""What an operator asks a running hub."""
