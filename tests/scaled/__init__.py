"""A hub beside a homeserver of many processes: what each of them serves, and what becomes of messages when one dies."""
