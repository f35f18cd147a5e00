"""The end of a user: what a product can have of them before, and what is left afterwards."""
