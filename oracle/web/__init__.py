"""The HTTP side of a running oracle: metrics, liveness, readiness, its sources, and pushed values."""
