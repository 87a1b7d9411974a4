"""Detectors: models that score a window of accepted moves in exact integer arithmetic.

`interface.py` says what a detector is; each other file is one implementation, or a tool for all of them.
"""
