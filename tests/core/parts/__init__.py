"""Small parts that many rooms use."""
