"""The tables of a load, on SQLite and PostgreSQL, and the search in them."""
