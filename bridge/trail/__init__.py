"""The audit trail: what happened, in rows that nobody can change, remove or reorder without its being found."""
