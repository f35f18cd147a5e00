"""Real far ends for tests, demo and bench: homeservers, operators, databases, clients, products; a world of them."""
