"""Small parts that many rooms use and that know nothing of messages."""
