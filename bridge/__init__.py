"""The hub without Matrix: who, where, may it, and the way to each network."""
