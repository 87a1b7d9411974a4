"""Where values come from.

`interface` is what the rest sees; `http`, `replay` and `packaged` are the kinds of sources; `aggregate` makes one value
of several, and `faults` makes good recordings bad.
"""
