"""Trainers: one file for each, a class that fits a detector to windows of accepted moves.

They need the `train` extra. To run a model does not take them. `oracle.detectors.registry` lists them.

A polynomial detector is fitted in two steps. Estimation gives *shapes*: outputs in sigmas, whose limit is right up to a
factor (`estimation`, `shapes`). Calibration sets the factors from the budget of false positives (`calibration`). The
factors are folded into the weights, so they are part of the model's hash.

The type `peers` has modules of its own: `peers_data` (windows as columns), `peers_fit` (estimation), `peers_replay`
(holds with accepted-only history), `peers_model` (the integers) and `peers`, which puts them together.

Rounding differences between machines must change nothing. So fitted coefficients are rounded to coarse multiples,
factors up to three significant digits, and weights to twelve significant bits; all between is exact arithmetic.
"""
