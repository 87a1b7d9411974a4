"""Recorded market series that an installed package carries. `oracle.sources.replay` replays them."""
