"""What is new in a mail's text."""
