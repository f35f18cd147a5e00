"""Who may speak for which domain."""
