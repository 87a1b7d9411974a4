"""A source that reads a number from a JSON document on the web."""
