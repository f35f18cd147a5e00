"""What a message becomes where it is not shown as it is: sentences, and parts of a long text."""
