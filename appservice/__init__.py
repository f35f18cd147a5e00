"""Matrix and the process: HTTP, rooms, ghosts, keys, start-up."""
