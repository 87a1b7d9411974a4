"""Mutants of Python: changes of the syntax tree, tried with the unit tests that enter the changed function."""
