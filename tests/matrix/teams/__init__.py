"""Groups: who comes later, who leaves, who may do what, and what a client shows of it."""
