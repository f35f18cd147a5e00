"""How a hub's cost grows: databases filled with copies of what the hub wrote, then the hub itself, measured."""
