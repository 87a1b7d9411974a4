"""The translation of an ONNX model to a short list of operations whose integer arithmetic is exact.

    ONNX graph → Program (few kinds of operation, float constants) → Circuit (integers and scales, `reference`)

A framework exports hundreds of operators. Each is written here with the few that a circuit computes without rounding:
products, sums, ReLU, absolute value, comparison, and moving elements about. A tree ensemble becomes comparisons and
selections, a smooth activation a piecewise linear function, a division by a constant a product. So one reference covers
every model, and no prover can choose between two roundings. Only an approximate program has functions that are looked
up (`functions`), and only if the caller allows it.

`recognise` puts one node where an exporter spelled a model out, `driver` lowers a model, `operators` has the operators
by family, `program` the result.
"""
