-- Nothing that is done for a mail looks at more rows because a thread is long or a queue full.

-- The last number that was given; no look at one thread is meant to use these, hence the sign.
CREATE INDEX mail_ref_last ON mail_ref ((-n));
CREATE INDEX mail_out_last ON mail_out ((-n));

-- The mails of a thread, without what was only said in chat.
CREATE INDEX mail_ref_mail ON mail_ref (chat, thread, n) WHERE about IS NOT NULL;

-- What waits for a domain in the order in which it is due; n is the mail's number.
ALTER TABLE mail_to ADD COLUMN n BIGINT NOT NULL DEFAULT 0;
UPDATE mail_to SET n = (SELECT o.n FROM mail_out o WHERE o.id = mail_to.mail);
DROP INDEX mail_to_due;
CREATE INDEX mail_to_due ON mail_to (domain, next_at, n) WHERE state = 'queued';
DROP INDEX mail_to_untold;
CREATE INDEX mail_to_untold ON mail_to (n) WHERE told < 2 AND state <> 'queued';
