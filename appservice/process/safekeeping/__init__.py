"""Copies of the database: made, verified, put back; and its move to another engine."""
