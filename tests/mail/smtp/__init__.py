"""Other operators, spoken to word by word and as real servers."""
