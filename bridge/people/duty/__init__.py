"""Functions that several people take in turn: a ward on call, a secretariat; who is on duty, and who is absent."""
