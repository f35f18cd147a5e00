"""Where the hub learns who is who."""
