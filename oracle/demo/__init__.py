"""The demonstration: recorded market series, with real shocks in them, on a real local chain at recorded time.

Faults are injected at marked ticks, as a broken reporter would sign them: after every check of a source, so that the
proven gate alone stands between them and the feed. The summary's numbers are read back from the chain.
"""
