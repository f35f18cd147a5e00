"""The far ends themselves."""
