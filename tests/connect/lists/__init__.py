"""Lists that products read through, and what they may not see."""
