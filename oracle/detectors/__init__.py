"""Detectors: models that score a window of accepted moves in exact integer arithmetic.

- `interface`: what a detector and a trainer are.
- `kinds`: the detectors, a file for each kind.
- `trainers`: what fits each kind to data, a file for each trainer.
- `registry`: the one table in which kinds and trainers are registered.
- `training`: from data to a model file and its card.
- `evaluation`: how good a detector is behind the whole gate, with faults.
- `cards`: proven cards, the verdicts of a hidden model on a public benchmark.
- `drift`: whether a model still fits its feed.
"""
