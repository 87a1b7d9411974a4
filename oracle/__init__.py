"""A verifiable oracle: every value it publishes carries a proof that a committed model accepted it."""

__all__ = ["__version__"]

__version__ = "0.2.0"
