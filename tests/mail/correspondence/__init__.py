"""Made-up correspondence of many people, found again at every far end."""
