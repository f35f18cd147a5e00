"""The process: one configuration, every part built and started, `liaison` as a command."""
