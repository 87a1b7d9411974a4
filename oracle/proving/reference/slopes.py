"""The rounding of piecewise linear functions.

A function is Σ change · relu(x − corner). Were its changes rounded one by one, their errors would add up: the last
slope would not be level, and far from the corners the function would be anywhere. So the slopes are rounded, one after
the other from the left, each so that the next corner is met as nearly as it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from oracle.proving.lowering.program import Op


def rounded_slopes(ops: Sequence[Op], constants: Any, integers: Any, scale: int) -> dict[str, Any]:
    """Return the changes of the slopes of all piecewise linear functions, as integer multiples of 2^-scale.

    Args:
        ops: The operations; the products that make these functions are marked `slopes`.
        constants: All constants, as floats.
        integers: All constants, rounded by themselves.
        scale: The scale of the constants.
    """
    makers = {op.output: op for op in ops}
    found = {}
    for op in ops:
        if not op.attributes.get("slopes"):
            continue
        corners = makers[makers[op.inputs[0]].inputs[0]].inputs[1]
        at = integers[corners].ravel().astype(np.float64) / 2.0**scale
        found[op.inputs[1]] = _rounded(at, constants[op.inputs[1]].ravel(), scale).reshape(-1, 1)
    return found


def _rounded(corners: Any, changes: Any, scale: int) -> Any:
    slopes, wanted, reached, before = [], 0.0, 0.0, 0.0
    exact = np.cumsum(changes)
    for at, slope in enumerate(exact):
        width = corners[at + 1] - corners[at] if at + 1 < len(corners) else 0.0
        wanted += slope * width
        # Where corners have become one, or after the last one, there is nothing to meet.
        best = (wanted - reached) / width if width > 0 else slope
        rounded = np.floor(best * 2.0**scale + 0.5)
        reached += rounded / 2.0**scale * width
        slopes.append(int(rounded) - int(before))
        before = rounded
    return np.array(slopes, dtype=object)
