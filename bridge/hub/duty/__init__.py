"""Functions in conversations: who on duty takes part, what waits to be read, and to whom it is passed on."""
