"""Carries everything that a database holds into another one, of either engine, and proves that all of it came."""
