"""Whole stories, on the stub and on real servers."""
