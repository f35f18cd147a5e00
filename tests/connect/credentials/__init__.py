"""Tokens and webhook secrets that products change by themselves."""
