"""The oracle itself: how one observation travels from its sources to the chain."""
