-- Mails that were taken and are not in the hub yet: sealed, gone once the hub has them.
CREATE TABLE mail_in (
  n @serial, envelope @blob NOT NULL, raw @blob NOT NULL, received_at BIGINT NOT NULL
);
-- Mailbox addresses of people of the hub: given once, for ever.
CREATE TABLE mail_box (address TEXT PRIMARY KEY, person TEXT NOT NULL);
CREATE INDEX mail_box_person ON mail_box (person);
-- Every mail and message that a thread holds or has heard of. ref: the hub's name of it (null: only cited so far).
CREATE TABLE mail_ref (
  chat TEXT NOT NULL, mid TEXT NOT NULL, thread TEXT NOT NULL, ref TEXT, people TEXT NOT NULL, n BIGINT NOT NULL,
  about @blob,
  PRIMARY KEY (chat, mid)
);
CREATE INDEX mail_ref_mid ON mail_ref (mid);
CREATE INDEX mail_ref_thread ON mail_ref (chat, thread, n);
CREATE INDEX mail_ref_ref ON mail_ref (ref);
-- Threads: subject and patients are sealed.
CREATE TABLE mail_thread (
  chat TEXT NOT NULL, thread TEXT NOT NULL, about @blob NOT NULL, handled_by TEXT, handled_at BIGINT,
  PRIMARY KEY (chat, thread)
);
-- What was said in chat and waits to become a mail.
CREATE TABLE mail_draft (
  id TEXT PRIMARY KEY, chat TEXT NOT NULL, thread TEXT NOT NULL, n BIGINT NOT NULL, at BIGINT NOT NULL, body @blob NOT NULL
);
CREATE INDEX mail_draft_thread ON mail_draft (chat, thread, n);
-- Mails on their way out; raw is emptied when no recipient waits any more.
CREATE TABLE mail_out (
  id TEXT PRIMARY KEY, n BIGINT NOT NULL, mid TEXT NOT NULL, sender TEXT NOT NULL, refs TEXT NOT NULL, raw @blob,
  created_at BIGINT NOT NULL
);
CREATE INDEX mail_out_mid ON mail_out (mid);
CREATE TABLE mail_to (
  mail TEXT NOT NULL, recipient TEXT NOT NULL, domain TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
  next_at BIGINT NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0, reason TEXT, -- told 1: of a delay, 2: of the end
  PRIMARY KEY (mail, recipient)
);
CREATE INDEX mail_to_due ON mail_to (domain, next_at) WHERE state = 'queued';
CREATE INDEX mail_to_untold ON mail_to (told) WHERE told < 2;
