"""Who is who, where that is known from, how they are reached, and which servers are trusted."""
