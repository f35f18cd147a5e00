"""What people have a right to: their data given out, or erased."""
