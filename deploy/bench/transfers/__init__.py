"""Figures of what is large: files each way, and what they cost."""
