"""Login by Pro Santé Connect: the claims, the names, and a real Synapse with a simulated provider."""
