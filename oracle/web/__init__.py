"""The HTTP side of a running oracle: metrics, liveness, readiness, its sources, and pushed values.

`claims` is the HTTP side of another process, the claims service, and `explorer` of `oracle explore`.
"""
