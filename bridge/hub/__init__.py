"""The machine: what is accepted, for whom, in which order, and what its writers are told."""
