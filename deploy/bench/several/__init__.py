"""A hub of several workers."""
