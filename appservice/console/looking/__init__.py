"""What the hub stands on, as the console shows it: lists, the directory, products, the audit trail."""
