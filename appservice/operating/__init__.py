"""What an operator asks a running hub, and what it shows by itself."""
