"""A source that reads another oracle's feed with Chainlink's interface."""
