"""The secure-mail trust space (MSSanté): mails and rooms as one conversation."""
