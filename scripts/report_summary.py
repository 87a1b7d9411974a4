"""The figures of a comparison as the report's summary has them: sizes in percent as text, rates from 0 to 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from oracle.core.statistics import Rate
from oracle.detectors.evaluation.results import PER, Comparison, Evaluation, FaultRate
from oracle.detectors.evaluation.trials import Lie

__all__ = ["SIZED", "figures_of", "size_of"]

SIZED = ("spike", "drift", "pair")
"""Groups of faults that have a size."""

PEER_LIE = "peer_lies_3"
"""The peer's lie that `peer_lie_holds_own` is of, with three of its sigmas."""


def figures_of(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """Return each detector's figures beside those of the cap that has as many false holds."""
    return {
        evaluation.name: _figures(evaluation, comparison.cap_of(evaluation)) for evaluation in comparison.evaluations
    }


def _figures(evaluation: Evaluation, cap: Evaluation) -> dict[str, Any]:
    holds = evaluation.false_holds
    lies = evaluation.peer_lie_holds_own
    return {
        "false_holds_per_10k": _rounded((holds.share or 0.0) * PER),
        "false_holds_interval": [_rounded(holds.low * PER), _rounded(holds.high * PER)],
        "reports": holds.of,
        "reasons": evaluation.reasons,
        "factor": _rounded(evaluation.factor),
        "recall": _recalls(evaluation, Lie.OWN),
        "recall_interval": _intervals(evaluation, Lie.OWN),
        "cap_false_holds_per_10k": _rounded((cap.false_holds.share or 0.0) * PER),
        "cap_recall": _recalls(cap, Lie.OWN),
        "cap_recall_interval": _intervals(cap, Lie.OWN),
        "joint_recall": _recalls(evaluation, Lie.JOINT),
        "unseen_peer_recall": _recalls(evaluation, Lie.BLIND),
        "peer_lie_holds_own": _share(lies[PEER_LIE]) if PEER_LIE in lies else None,
        "peer_faults_hold_own": {kind: _share(rate) for kind, rate in lies.items()},
        "shock_rounds_max": evaluation.shock_rounds_max,
        "shock_seconds_max": evaluation.shock_seconds_max,
        "longest_hold_rounds": evaluation.longest,
        "longest_hold_seconds": evaluation.longest_s,
        "written_wrong": _by_size(evaluation, Lie.OWN, _written),
        "worst_written": _by_size(evaluation, Lie.OWN, lambda fault: _rounded(fault.worst_written)),
        "error_held": _by_size(evaluation, Lie.OWN, lambda fault: _rounded(fault.error_held)),
        "flips": None if evaluation.flips is None else evaluation.flips.hits,
        "flips_of": None if evaluation.flips is None else evaluation.flips.of,
    }


def size_of(fault: FaultRate) -> str:
    """Return a fault's size in percent, as text; the kind of one without a size."""
    return (
        fault.kind.removeprefix(f"{fault.group}_").removeprefix("spike_pair_") if fault.group in SIZED else fault.kind
    )


def _recalls(evaluation: Evaluation, lie: Lie) -> dict[str, dict[str, Any]]:
    return _by_size(evaluation, lie, lambda fault: _share(fault.recall))


def _intervals(evaluation: Evaluation, lie: Lie) -> dict[str, dict[str, Any]]:
    return _by_size(evaluation, lie, lambda fault: [_rounded(fault.recall.low), _rounded(fault.recall.high)])


def _written(fault: FaultRate) -> float | None:
    """Return the share of the wrong answers that became rounds."""
    return None if fault.stopped is None else _rounded(1 - fault.stopped)


def _by_size(evaluation: Evaluation, lie: Lie, value: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for fault in _of(evaluation.faults, lie):
        found.setdefault(fault.group, {})[size_of(fault)] = value(fault)
    return found


def _of(faults: Iterable[FaultRate], lie: Lie) -> Iterable[FaultRate]:
    return (fault for fault in faults if fault.lie is lie and fault.group != "peer")


def _share(rate: Rate) -> float | None:
    return None if rate.share is None else _rounded(rate.share)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
