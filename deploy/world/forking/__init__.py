"""Programs that are started often: imported once, then forked."""
