"""Judges a product's integration: the kit is the hub, the product is driven as its users would."""
