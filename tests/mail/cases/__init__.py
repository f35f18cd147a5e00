"""Mails that real programs write in unlike ways, with what must be seen of them; and no word of any mail lost."""
