"""Mails become messages, messages mails, through a whole hub."""
