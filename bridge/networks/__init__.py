"""One folder for each network that is not Matrix."""
