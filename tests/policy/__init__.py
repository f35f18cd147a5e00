"""The module that runs inside Synapse."""
