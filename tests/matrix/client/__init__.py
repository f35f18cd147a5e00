"""Translations, names, attachments."""
