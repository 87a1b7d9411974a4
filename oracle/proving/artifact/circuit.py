"""The circuit that a model asks for: ezkl's arguments, its inputs, and the windows that it is checked with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from oracle.core import encoding
from oracle.core.errors import ArtifactError
from oracle.proving.artifact.manifest import Manifest, Visibility
from oracle.proving.cost import least_k
from oracle.proving.interface import Approximate, FeedModel, Provable, Tuned

VERDICT_BITS = (62, 71)
"""Compared scores stay below one of these powers of two: few, so that all models of a kind share their circuits."""

LEAST_VERDICT_K = 7
"""The least k that is tried for a circuit with verdicts."""

_MOST_VERDICT_K = 26

_MOST_CHOSEN = 1 << 26

_TABLE_MARGIN = 8
"""Rows of 2^k that a table can't have. With one row more ezkl takes a second column, and the proof grows."""


_BY_SIGN = frozenset(
    {"Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Sign", "Max", "Min", "ArgMax", "ArgMin", "TopK"}
)
"""Operators whose answer ezkl takes from the sign of a difference. ReLU and Abs are not among them: at 0 their value is
0, whichever sign is claimed."""


def run_args(detector: Provable, visibility: Visibility, k: int = LEAST_VERDICT_K) -> dict[str, Any]:
    """Return ezkl's run arguments.

    Integers go in, products are exact, nothing is rebased, and nothing is looked up but the digits of a comparison.

    Args:
        detector: The model.
        visibility: Visibility of its weights.
        k: The circuit will have 2^k rows, and a detector's verdict the largest digits that fit into them; see `fitted`.
    """
    verdict = detector.disclosure == "verdict" and not isinstance(detector, Tuned)
    base, legs = _digits(detector, k) if verdict else (2, 2)
    arguments = _exact(detector.param_scale, visibility) | {"decomp_base": base, "decomp_legs": legs}
    return arguments | (dict(detector.run_args()) if isinstance(detector, Tuned) else {})


def stated_run_args(manifest: Manifest, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the run arguments that an artifact's circuit has to have, to make its settings and its key again.

    A circuit's maker chooses its digits, its columns and k, which only decide the cost: they are taken from the
    settings. All else follows from the manifest.

    Args:
        manifest: The artifact's.
        settings: The artifact's.

    Raises:
        ArtifactError: With these digits a number could be taken apart in two ways, or they are none.
    """
    chosen = {name: settings["run_args"].get(name) for name in ("decomp_base", "decomp_legs", "num_inner_cols")}
    if any(type(value) is not int or not 1 <= value < _MOST_CHOSEN for value in chosen.values()):
        raise ArtifactError(f"the settings have digits or columns that no circuit has: {chosen}")
    # A signed number has one way into digits as long as all of them stay below half of the field.
    if 2 * chosen["decomp_base"] ** min(chosen["decomp_legs"], 254) >= encoding.FIELD_MODULUS:
        raise ArtifactError(
            f"{chosen['decomp_legs']} digits of base {chosen['decomp_base']} reach around the field: a prover could "
            "choose the sign of a number"
        )
    arguments = _exact(manifest.param_scale, manifest.visibility) | chosen | {"logrows": manifest.k}
    facts = manifest.imported or {}
    rebase = facts.get("rebase") or 0
    if rebase:
        arguments["scale_rebase_multiplier"] = rebase
    if facts.get("looked_up"):
        table = facts.get("table")
        arguments |= table_args(rebase * manifest.param_scale, table)
        if table_rows(table) > 1 << manifest.k:
            raise ArtifactError(f"a table of {table_rows(table):,} rows is not in one column of 2^{manifest.k}")
    return arguments | {f"{end}_visibility": "hashed" for end in manifest.hashed}


def _exact(param_scale: int, visibility: Visibility) -> dict[str, Any]:
    """Return the run arguments of every circuit, but for its digits and those that a tuned one brings."""
    return {
        "input_scale": 0,
        "param_scale": param_scale,
        # A rebase divides, and a division accepts floor and ceiling: the scores would not be exact.
        "scale_rebase_multiplier": 1_000,
        "lookup_range": [0, 1],
        "num_inner_cols": 1,
        # The contract derives and clips the inputs itself, and the outputs are polynomials of them.
        "ignore_range_check_inputs_outputs": True,
        "disable_freivalds": True,
        "input_visibility": "public",
        "output_visibility": "public",
        "param_visibility": visibility.param_visibility,
    }


def table_args(level: int, table: Sequence[int] | None) -> dict[str, Any]:
    """Return the run arguments of an approximate circuit's functions.

    Args:
        level: Scale of their arguments and results.
        table: The least and the largest argument that is looked up; None if no function has a table.

    Raises:
        ArtifactError: There is no such table.
    """
    low, high = (0, 1) if table is None else table
    if type(low) is not int or type(high) is not int or not -_MOST_CHOSEN < low <= high < _MOST_CHOSEN:
        raise ArtifactError(f"the manifest has a table from {low!r} to {high!r}, and no circuit has")
    # ezkl takes this for 0 in a reciprocal: half of the least number that the scale has.
    return {"lookup_range": [low, high], "epsilon": 0.5 / 2**level}


def table_rows(table: Sequence[int] | None) -> int:
    """Return the rows that a table needs, those that it can't have included; 0 if there is none.

    A table has one column: what a prover of several could do is not known here.
    """
    return 0 if table is None else table[1] - table[0] + 1 + _TABLE_MARGIN


def fitted(
    detector: Provable, visibility: Visibility, generate: Callable[[dict[str, Any]], dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Return ezkl's run arguments, the settings that it makes of them, and the least k that may hold the circuit.

    Digits of a larger base are fewer, and need fewer rows; but their table has to fit. So the least k is taken whose
    own largest digits leave the circuit room.

    Args:
        detector: The model.
        visibility: Visibility of its weights.
        generate: Has ezkl make settings of run arguments.
    """
    if detector.disclosure != "verdict" or isinstance(detector, Tuned):
        arguments = run_args(detector, visibility)
        settings = generate(arguments)
        least = max(least_k(settings["num_rows"], arguments["decomp_base"]), arguments.get("logrows", 0))
        return arguments, settings, least
    for k in range(LEAST_VERDICT_K, _MOST_VERDICT_K + 1):
        arguments = run_args(detector, visibility, k)
        settings = generate(arguments)
        if least_k(settings["num_rows"], arguments["decomp_base"]) <= k:
            return arguments, settings, k
    raise ArtifactError(f"no circuit of up to 2^{_MOST_VERDICT_K} rows holds the verdicts of {detector.name}")


def _digits(detector: Provable, k: int) -> tuple[int, int]:
    """Return the largest base whose table fits into 2^k rows, and the number of digits that hold every score."""
    base, needed = (1 << k) - _TABLE_MARGIN, detector.score_bound().bit_length()
    bits = next((bits for bits in VERDICT_BITS if needed <= bits), needed)
    legs = 2
    while base**legs < 1 << bits:
        legs += 1
    return base, legs


def unprotected(onnx_file: bytes) -> list[str]:
    """Return the nodes of a graph whose answer a prover might choose.

    ezkl may accept either sign of 0. So a comparison has to be `Greater`, of a number that is twice another, and 0. The
    other must be odd, which is seen to where the graph is written: `oracle.proving.reference.comparison`.
    """
    import onnx  # heavy: only a build reads graphs

    graph = onnx.load_model_from_string(onnx_file).graph
    maker = {name: node for node in graph.node for name in node.output}

    def twice(name: str, kind: str) -> str:
        node = maker.get(name)
        same = node is not None and node.op_type == kind and len(node.input) == 2 and node.input[0] == node.input[1]
        return node.input[0] if same and node is not None else ""

    return [
        f"{node.op_type} {node.name or node.output[0]}"
        for node in graph.node
        if node.op_type in _BY_SIGN
        and not (node.op_type == "Greater" and twice(node.input[0], "Add") and twice(node.input[1], "Sub"))
    ]


_EXACT = frozenset(
    {"Abs", "Add", "Concat", "Conv", "Einsum", "Flatten", "Gather", "Gemm", "Greater", "Identity", "MatMul", "Mul"}
    | {"Equal", "Neg", "ReduceSum", "Relu", "Reshape", "Slice", "Squeeze", "Sub", "Transpose", "Unsqueeze"}
)
"""Operators that ezkl computes with integers as they are; of the others, it looks results up or rounds them."""


def inexact(onnx_file: bytes) -> list[str]:
    """Return the nodes of a graph that are looked up or rounded, so that a prover may choose, whatever is said of it.

    A cast is exact if it makes a number of an answer.
    """
    import onnx  # heavy: only a build reads graphs

    graph = onnx.load_model_from_string(onnx_file).graph
    answers = {name for node in graph.node if node.op_type in ("Greater", "Equal") for name in node.output}

    def is_exact(node: onnx.NodeProto) -> bool:
        is_known = node.domain in ("", "ai.onnx") and node.op_type in _EXACT
        return is_known or (node.op_type == "Cast" and all(name in answers for name in node.input))

    return [f"{node.op_type} {node.name or node.output[0]}" for node in graph.node if not is_exact(node)]


def hashed_ends(run_args: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ends of a circuit that it publishes as hashes: "input", "output" or both."""
    return tuple(end for end in ("input", "output") if run_args[f"{end}_visibility"] == "hashed")


def manifest_facts(detector: Provable) -> dict[str, Any]:
    """Return what the manifest says of a model beyond its circuit: its features, or where its windows come from."""
    facts: dict[str, Any] = {"imported": dict(detector.facts())} if isinstance(detector, Tuned) else {}
    if isinstance(detector, FeedModel):
        facts["features"] = encoding.feature_names(detector.features)
    if isinstance(detector, Approximate):
        facts |= asdict(detector.approximation())
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
