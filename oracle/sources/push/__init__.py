"""A source that is sent its values, over HTTP."""
