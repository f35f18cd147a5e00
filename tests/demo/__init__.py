"""The demo itself, as a person runs it."""
