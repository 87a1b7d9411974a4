"""A source that reads the ticker of an exchange through ccxt."""
