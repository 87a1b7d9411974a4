"""Mutation tests: change one place of the code, run the tests, and see whether they notice.

`mutant` and `interface` say what a mutant and an engine are; `solidity` and `python` are the engines; `campaign` tries
mutants in parallel, keeps each verdict, and goes on where it was stopped; `listed` reads the mutants that are listed as
equivalent; `report` counts.
"""
