"""The pages: each asks for what it shows, and turns a form into one act."""
