"""What the contract shows is so: examples that are executed, products that cannot touch one another."""
