"""The machine: acceptance, order, lanes, what is told."""
