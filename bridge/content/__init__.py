"""What is in a file: its true type, its measures, what is taken out of it, whether it is infected."""
