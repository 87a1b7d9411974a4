"""The figures of an evaluation as JSON, for machines: the same for the same data, models and seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from oracle.detectors.evaluation import nab
from oracle.detectors.evaluation.results import PER, Comparison, Evaluation, FaultRate
from oracle.detectors.evaluation.wording import moment

__all__ = ["document", "nab_document"]

FORMAT = "detector-evaluation-v1"


def document(comparison: Comparison) -> dict[str, Any]:
    """Return all figures of a comparison."""
    prepared = comparison.prepared
    recording, feed = prepared.recording, prepared.feed
    return {
        "format": FORMAT,
        "recording": {
            "name": recording.name,
            "venues": list(recording.venues),
            "ticks": len(recording),
            "evaluated": prepared.evaluated,
            "first": moment(recording.times[prepared.begin]),
            "last": moment(recording.times[-1]),
        },
        "feed": {
            "kind": feed.kind.name.lower(),
            "decimals": feed.decimals,
            "sigma": feed.sigma,
            "heartbeat": feed.heartbeat,
            **asdict(feed.policy),
            "min_sources": feed.aggregation.min_sources,
            "max_source_spread": None if feed.aggregation.max_spread is None else str(feed.aggregation.max_spread),
        },
        "seed": comparison.seed,
        "scaled_to": comparison.scale_to,
        "skipped": comparison.skipped,
        "detectors": [
            {**_figures(evaluation), "cap": _figures(comparison.cap_of(evaluation))}
            for evaluation in comparison.evaluations
        ],
    }


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    holds = evaluation.false_holds
    return {
        "name": evaluation.name,
        "factor": _rounded(evaluation.factor),
        "reports": holds.of,
        "false_holds": holds.hits,
        "false_holds_per_10000": _rounded((holds.share or 0.0) * PER),
        "false_holds_interval": [_rounded(holds.low * PER), _rounded(holds.high * PER)],
        "episodes": evaluation.episodes,
        "longest_hold": {"reports": evaluation.longest, "seconds": evaluation.longest_s},
        "reasons": evaluation.reasons,
        "silent": evaluation.silent,
        "flips": None if evaluation.flips is None else {"flips": evaluation.flips.hits, "of": evaluation.flips.of},
        "shocks": [
            {**asdict(shock), "move": _rounded(shock.move), "sigmas": _rounded(shock.sigmas)}
            for shock in evaluation.shocks
        ],
        "faults": {fault.kind: _fault(fault) for fault in evaluation.faults},
        "curve": [
            {
                "factor": point.factor,
                "false_holds_per_10000": _rounded(point.false_holds),
                "spike_recall": _rounded(point.recall),
            }
            for point in evaluation.curve
        ],
    }


def _fault(fault: FaultRate) -> dict[str, Any]:
    return {
        "group": fault.group,
        "ticks": fault.ticks,
        "must_pass": fault.real,
        "tried": fault.tried,
        "disturbed": fault.disturbed,
        "held": fault.recall.hits,
        "recall": None if fault.recall.share is None else _rounded(fault.recall.share),
        "interval": [_rounded(fault.recall.low), _rounded(fault.recall.high)],
        "latency_ticks": fault.latency,
        "latency_ticks_p95": fault.latency_p95,
        "latency_seconds": fault.latency_s,
        "written_mean": _rounded(fault.written),
        "worst_error_p95": _rounded(fault.worst),
        "held_mean": _rounded(fault.held),
        "held_most": fault.held_max,
        "held_longest_seconds": fault.held_s_max,
        "true_held_after_mean": _rounded(fault.after),
        "cleared": None if fault.cleared.share is None else _rounded(fault.cleared.share),
        "silent_mean": _rounded(fault.silent),
    }


def _rounded(value: float) -> float:
    """Return six significant digits: more would only differ between machines."""
    return float(f"{value:.6g}")


def nab_document(results: Mapping[str, Sequence[nab.Score]]) -> dict[str, Any]:
    """Return scores on Numenta's benchmark, with the published ones."""
    return {
        "format": "nab-scores-v1",
        "detectors": {
            name: {
                score.profile: {
                    "score": _rounded(score.score),
                    "threshold": None if math.isinf(score.threshold) else _rounded(score.threshold),
                    "windows_found": score.found,
                    "windows": score.windows,
                    "false_positives": score.false_positives,
                }
                for score in scores
            }
            for name, scores in results.items()
        },
        "published": {name: list(scores) for name, scores in nab.PUBLISHED.items()},
    }
