"""The circuit that a model asks for: ezkl's arguments, its inputs, and the windows that it is checked with."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from oracle.core import encoding
from oracle.proving.artifact.manifest import Visibility
from oracle.proving.interface import FeedModel, Provable, Tuned

_VERDICT_BASE, _VERDICT_LEGS = 512, 8
"""Compared scores stay below 512^8 = 2^72. A table of 512 rows does not raise the k that the circuit's hash needs."""


def run_args(detector: Provable, visibility: Visibility) -> dict[str, Any]:
    """Return ezkl's run arguments.

    Integers go in, products are exact, nothing is rebased, and nothing is looked up but the digits of a comparison.
    """
    verdict = detector.disclosure == "verdict"
    arguments = {
        "input_scale": 0,
        "param_scale": detector.param_scale,
        # A rebase divides, and a division accepts floor and ceiling: the scores would not be exact.
        "scale_rebase_multiplier": 1_000,
        "lookup_range": [0, 1],
        "num_inner_cols": 1,
        "decomp_base": _VERDICT_BASE if verdict else 2,
        "decomp_legs": _VERDICT_LEGS if verdict else 2,
        # The contract derives and clips the inputs itself, and the outputs are polynomials of them.
        "ignore_range_check_inputs_outputs": True,
        "disable_freivalds": True,
        "input_visibility": "public",
        "output_visibility": "public",
        "param_visibility": visibility.param_visibility,
    }
    return arguments | (dict(detector.run_args()) if isinstance(detector, Tuned) else {})


def hashed_ends(run_args: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ends of a circuit that it publishes as hashes: "input", "output" or both."""
    return tuple(end for end in ("input", "output") if run_args[f"{end}_visibility"] == "hashed")


def manifest_facts(detector: Provable) -> dict[str, Any]:
    """Return what the manifest says of a model beyond its circuit: its features, or where its windows come from."""
    facts: dict[str, Any] = {"imported": dict(detector.facts())} if isinstance(detector, Tuned) else {}
    if isinstance(detector, FeedModel):
        facts["features"] = encoding.feature_names(detector.features)
    return facts


def check_windows(detector: Provable) -> list[tuple[int, ...]]:
    """Return the probe's window, and after it the windows at which the circuit is compared with the reference."""
    if isinstance(detector, Tuned):
        return list(detector.windows())
    if isinstance(detector, FeedModel):
        return [encoding.calm_window(detector.features), *_corners(detector.features)]
    raise TypeError(f"{detector.name} says neither which features it takes nor which windows")


def _corners(features: Sequence[encoding.Feature]) -> list[tuple[int, ...]]:
    """Return windows at the edge of what the contract can ask for."""
    ranges = [encoding.feature_range(feature) for feature in features]
    calm, at = encoding.calm_window(features), features.index(encoding.Feature.MOVE)
    least, most = tuple(low for low, _ in ranges), tuple(high for _, high in ranges)
    return [
        most,
        least,
        tuple(limits[index % 2] for index, limits in enumerate(ranges)),
        (*calm[:at], encoding.CLIP, *calm[at + 1 :]),
        (*most[:at], 0, *most[at + 1 :]),
    ]


def input_lengths(detector: Provable) -> tuple[int, ...]:
    """Return the lengths of a circuit's inputs; () if it has one input."""
    return tuple(getattr(detector, "input_lengths", ()))


def arranged(flat: list[int], lengths: Sequence[int]) -> list[int] | list[list[int]]:
    """Return a flat input, cut into inputs of these lengths; as it is if there are none."""
    if not lengths:
        return flat
    ends = list(itertools.accumulate(lengths))
    return [flat[end - length : end] for end, length in zip(ends, lengths, strict=True)]
