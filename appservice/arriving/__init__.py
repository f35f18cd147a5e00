"""What comes from the homeserver: transactions, their order, what was never pushed, and what each event means."""
