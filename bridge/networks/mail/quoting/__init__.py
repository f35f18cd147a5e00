"""What is new in a mail's text, apart from quotations, signatures and disclaimers. Pure."""
