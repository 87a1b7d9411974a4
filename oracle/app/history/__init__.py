"""`oracle history`: what became of a feed's reports, newest first.

The chain's events say what was accepted and held. The journal adds what never came there, and why. Each is enough
without the other: what can't be read is said. Nothing is loaded as a whole: events are read backwards, a range of
blocks at a time, and the journal a page at a time.
"""
