"""People found from where clinicians already search: a client's search field, an address, a word to the hub's voice."""
