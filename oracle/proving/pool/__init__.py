"""Provers: a pool of workers that share one queue and one cache, on this machine (`local`) or on a cluster (`ray`)."""
