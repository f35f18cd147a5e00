"""Documents of mails, both ways."""
