"""How something new is accepted."""
