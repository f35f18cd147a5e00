"""The demo world: real servers and clients around a hub; the tests use them as far ends."""
