"""The secure-mail space as a network of the hub: mails become messages, messages become mails."""
