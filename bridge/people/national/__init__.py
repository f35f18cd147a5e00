"""The national directory: its public files read, kept in tables of their own, searched, and swapped while in use."""
