"""Mail between operators on the wire: SMTP and LMTP in, SMTP out, with certificates both ways."""
