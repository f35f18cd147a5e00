"""Finds people by what is asked of them: what a query means, whom it finds, in which order."""
