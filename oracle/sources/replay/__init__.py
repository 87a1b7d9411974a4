"""A source that replays a recorded series."""
