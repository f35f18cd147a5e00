"""For vendors: the client of Liaison Connect (``liaison.connect``) and the kit to try a product (``liaison.kit``)."""
