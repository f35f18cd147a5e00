"""What the hub writes, as bytes."""
