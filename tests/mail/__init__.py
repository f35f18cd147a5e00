"""The mail leg: trust, bytes, documents, and real mail servers."""
