"""The hub's own tables: every read and write as a named operation."""
