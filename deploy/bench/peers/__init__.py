"""What others make of the same: a whole bridge of another library, which carries the messages of the bench."""
