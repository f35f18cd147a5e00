"""Mails that the hub writes: letters, copies and reports, as bytes. Pure."""
