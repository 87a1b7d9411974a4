"""Comparisons of a circuit, written so that no prover can choose their answer.

ezkl compares by the sign of a difference, which it takes apart into a sign and digits. Of 0 its circuit may accept
either sign, so nothing may be compared with a number that it equals, or from which it is one step away. What is
compared with 0 here is 4 times the difference, and 2 more or less, in the circuit's own integers: never 0, 1 or −1.

    a > b     4 (a − b) − 2 > 0          a ≥ b     4 (a − b) + 2 > 0

ReLU and Abs need nothing of the kind: their value at 0 is 0, whichever sign is claimed.
"""

from __future__ import annotations

from typing import Any

from onnx import TensorProto, helper


def positive(value: str, name: str) -> list[Any]:
    """Return the nodes of `name`: 1 where `value` is positive, else 0. It must never be 0, 1 or −1."""
    return [
        # A constant zero would be hashed with the weights.
        helper.make_node("Sub", [value, value], [f"{name}_zero"], name=f"{name}_zero"),
        helper.make_node("Greater", [value, f"{name}_zero"], [f"{name}_bool"], name=f"{name}_bool"),
        helper.make_node("Cast", [f"{name}_bool"], [name], name=name, to=TensorProto.FLOAT),
    ]


def equal_to(value: str, name: str) -> list[Any]:
    """Return the nodes of `name`: 1, because a value equals itself. ezkl shows that by an inverse, without a sign."""
    return [
        helper.make_node("Equal", [value, value], [f"{name}_bool"], name=f"{name}_bool"),
        helper.make_node("Cast", [f"{name}_bool"], [name], name=name, to=TensorProto.FLOAT),
    ]


def doubled(value: str, name: str) -> Any:
    """Return the node of `name`, twice a value. A constant 2 would be hashed with the weights."""
    return helper.make_node("Add", [value, value], [name], name=name)


def compared(kind: str, left: str, right: str, unit: str, name: str) -> list[Any]:
    """Return the nodes of `name`: 1 where the comparison holds, and 0 where not.

    Args:
        kind: Greater, Less, GreaterOrEqual or LessOrEqual.
        left: The first value.
        right: The second value.
        unit: A value that is 1 in the integers of both.
        name: The result's name.
    """
    more, less = (left, right) if kind.startswith("Greater") else (right, left)
    shift = "Add" if kind.endswith("OrEqual") else "Sub"
    return [
        helper.make_node("Sub", [more, less], [f"{name}_by"], name=f"{name}_by"),
        doubled(f"{name}_by", f"{name}_two"),
        helper.make_node(shift, [f"{name}_two", unit], [f"{name}_odd"], name=f"{name}_odd"),
        doubled(f"{name}_odd", f"{name}_far"),
        *positive(f"{name}_far", name),
    ]
