"""From files to the load in use: judged, written, put in its place, changed by deltas."""
