"""Recognition: what exporters spell out is written as the model that they meant, before it is lowered.

An exporter without an operator for a model writes it with those that there are: a hundred isolation trees as four
hundred nodes, a softmax as logarithms of sums of exponentials, distances as a loop. The rules here put one node where
these were. Each rule demands the whole form, constants included, and keeps the name of the value that it makes, so that
the float model is still the file as it came. What no rule knows stays as it is.

    leaves      a function of the leaf that one tree ends in becomes a tree with other numbers in its leaves
    ensembles   a sum of trees on one input becomes one ensemble
    orderings   exponentials over their sum become a Softmax
    ratios      a number over one more than its magnitude becomes a Softsign
    choices     the place of the largest is looked for before functions that keep the order
    distances   a loop over points becomes two products
    limits      what a rising chain is computed from is compared, in place of its result
"""

from __future__ import annotations

import onnx

from oracle.proving.lowering.recognise.choices import look_before
from oracle.proving.lowering.recognise.distances import write_distances
from oracle.proving.lowering.recognise.ensembles import join_ensembles
from oracle.proving.lowering.recognise.leaves import write_leaves
from oracle.proving.lowering.recognise.limits import write_limits
from oracle.proving.lowering.recognise.orderings import write_softmax
from oracle.proving.lowering.recognise.ratios import write_softsign

_RULES = (write_distances, write_leaves, join_ensembles, write_softmax, write_softsign, write_limits, look_before)


def recognised(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model with what the rules recognise in it; the same object if that is nothing."""
    for rule in _RULES:
        model = rule(model)
    return model


__all__ = ["recognised"]
