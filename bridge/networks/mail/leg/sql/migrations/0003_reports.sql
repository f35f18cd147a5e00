-- The newest mails to a mailbox: a report may say no more than to whom a mail did not go.
CREATE INDEX mail_to_recipient ON mail_to (recipient, n) WHERE state = 'accepted';
