"""The log of a product's webhooks."""
