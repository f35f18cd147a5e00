"""Rooms and the users in them: made, joined, followed, and who may be written to."""
