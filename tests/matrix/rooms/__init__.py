"""Rooms and the users in them."""
