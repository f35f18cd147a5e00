"""The log of a product's webhooks: for a product that was away, that can receive none, or that lost what it had."""
