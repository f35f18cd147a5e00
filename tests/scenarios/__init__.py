"""One list of what people do, played between every ordered pair of far ends (see scenarios.yaml)."""
