"""`liaison check`: everything that can be wrong before a message goes wrong, looked at one after the other."""
