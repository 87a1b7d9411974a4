"""The cases of the benchmark, by name."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from oracle.core.errors import ConfigError

BATCHES = (1, 4, 16)
"""Windows of one proof, where circuits are compared."""

SUBMITTED_BATCHES = (*BATCHES, 32)
"""Windows of one proof, and feeds of one report, where submissions are measured."""

SIGNATURES = (1, 5, 10)
"""Reporters who sign a report that is submitted."""

MODELS = ("linear", "logistic", "trees", "autoencoder", "cnn", "mlp")
"""Imported models, of `oracle.bench.zoo`."""

PUBLIC_ONLY = ("mlp",)
"""Models whose private weights are too many to hash in a benchmark: each weight takes 41 rows."""


@dataclass(frozen=True)
class CircuitCase:
    """One of a detector's circuits.

    Attributes:
        detector: The detector's name, of `oracle.bench.detectors`.
        visibility: The visibility of its weights.
        disclosure: What a proof publishes.
        batch: Windows in one proof.
    """

    detector: str
    visibility: str
    disclosure: str
    batch: int = 1


JUDGES = {
    "default-private": CircuitCase("peers", "private", "verdict"),
    "default-public": CircuitCase("peers", "public", "score"),
    "quadratic-private": CircuitCase("quadratic", "private", "score"),
    "quadratic-verdict": CircuitCase("quadratic", "private", "verdict"),
    "autoencoder-private": CircuitCase("autoencoder", "private", "verdict"),
    "autoencoder-public": CircuitCase("autoencoder", "public", "score"),
    "trees-private": CircuitCase("trees", "private", "verdict"),
    "trees-public": CircuitCase("trees", "public", "score"),
    "network-private": CircuitCase("network", "private", "verdict"),
    "network-public": CircuitCase("network", "public", "score"),
}
"""Models that judge reports, each with its circuit of one window.

`default-private` is the default as its owner's secret, `default-public` as the package ships it; `quadratic` was the
default before."""


def _with(judges: Mapping[str, Sequence[int]], prefix: str = "") -> dict[str, CircuitCase]:
    return {
        f"{prefix}{judge}-b{batch}": replace(JUDGES[judge], batch=batch)
        for judge, batches in judges.items()
        for batch in batches
    }


CIRCUITS = _with(
    {
        **dict.fromkeys(("default-private", "default-public"), BATCHES),
        **dict.fromkeys(("quadratic-private", "quadratic-verdict"), (1, BATCHES[-1])),
    }
)
"""Circuits whose proofs are timed."""

REPORTED = ("default-private-b1", "default-public-b1")
"""The circuits with which a daemon reports to a chain."""

TUNED = {
    **{f"tuned-{model}": model for model in MODELS},
    **{f"tuned-{model}-private": model for model in MODELS if model not in PUBLIC_ONLY},
}
"""Imported models as `oracle model build` tunes them."""

DEFAULT_MODEL = "peers"
DEFAULT = f"ezkl-default-{DEFAULT_MODEL}"
DEFAULT_VERDICT = f"{DEFAULT}-verdict"
DEFAULTS = {
    **dict.fromkeys((DEFAULT, DEFAULT_VERDICT), 1),
    **{f"{case}-b{BATCHES[-1]}": BATCHES[-1] for case in (DEFAULT, DEFAULT_VERDICT)},
    **{f"ezkl-default-{model}": 1 for model in MODELS},
}
"""ezkl's pipeline as it is documented, on the same graphs: windows in one circuit. The default's graphs publish scores,
or one verdict."""

THROUGHPUT = _with(
    {
        "default-private": (1, 16, 32),
        "default-public": (1, 32),
        "quadratic-private": (16,),
        "quadratic-verdict": (16,),
    },
    "throughput-",
)
"""Circuits whose proofs per second are measured."""

BATCHED = "daemon-batched"
"""A daemon whose feeds share proofs, beside one whose feeds don't."""

FLEET = {"daemon-1000": ("default-private", 1_000), "daemon-1000-public": ("default-public", 1_000)}
"""One daemon with very many feeds, all due every minute: the model of `JUDGES`, feeds."""


@dataclass(frozen=True)
class SubmissionCase:
    """The reports of some feeds, in one transaction.

    Attributes:
        judge: The model that judges them, of `JUDGES`.
        batch: Feeds that are due.
        signatures: Reporters who sign.
    """

    judge: str
    batch: int
    signatures: int


def _submissions(judges: Sequence[str], signatures: Sequence[int]) -> dict[str, SubmissionCase]:
    return {
        f"submit-{judge}-b{batch}-q{count}": SubmissionCase(judge, batch, count)
        for judge in judges
        for batch in SUBMITTED_BATCHES
        for count in signatures
    }


NETWORKS = ("autoencoder", "trees", "network")
"""Models that a data scientist brings."""

WORTH = _submissions([f"{name}-{side}" for name in NETWORKS for side in ("private", "public")], (1,))
"""Submissions that are measured only if they are asked for: their circuits take minutes to build."""

SUBMISSIONS = _submissions(("default-private", "default-public"), SIGNATURES) | WORTH
"""Gas of submissions."""

SUBMISSION_TARGETS = {"submit-default-private-b1-q1": 600_000, "submit-default-private-b16-q5": 108_000}
"""The most gas that one feed of a submission should cost."""

PACKAGED_CLAIMS = ("identity", "credit", "fair-play")
CLAIMS = {
    **{f"claim-{name}": name for name in PACKAGED_CLAIMS},
    **{f"claim-linear-{count}": f"linear-{count}" for count in (8, 16, 32, 64, 128)},
}
"""Private claims: the model of each case."""


@dataclass(frozen=True)
class AuditCase:
    """A history that is audited: every feed reports in every transaction.

    Attributes:
        judge: The model of all feeds, of `JUDGES`.
        batch: Feeds.
        signatures: Reporters who sign.
    """

    judge: str
    batch: int
    signatures: int


AUDITS = {
    f"audit-default-public-b{batch}-q{count}": AuditCase("default-public", batch, count)
    for batch, count in ((1, 1), (16, 5))
}
"""Histories whose audits are timed: the dearest kind, of one round in each transaction, and one of large batches."""

OWN = "detectors"
"""The group of all detectors: their proofs take turns."""

GROUPS = {
    **dict.fromkeys((*CIRCUITS, *(case for case in DEFAULTS if case.startswith(DEFAULT))), OWN),
    **TUNED,
    **{f"ezkl-default-{model}": model for model in MODELS},
}
"""The group of each case whose proofs are timed: the detectors, or an imported model."""

BESIDE = {
    **{
        f"{ours}-b{batch}": theirs if batch == 1 else f"{theirs}-b{batch}"
        for ours, theirs in (("default-private", DEFAULT_VERDICT), ("default-public", DEFAULT))
        for batch in (1, BATCHES[-1])
    },
    **{case: f"ezkl-default-{model}" for case, model in TUNED.items()},
}
"""The case of ezkl's that each of ours is compared with: of the same model, with as many windows."""

BASELINES = {
    "onchain-quadratic": "quadratic",
    "groth16-quadratic": "quadratic",
    "onchain-peers": "peers",
    "groth16-peers": "peers",
    "onchain-autoencoder": "autoencoder",
    "onchain-trees": "trees",
    "onchain-network": "network",
}
"""Detectors without ezkl: evaluated by a contract, and proven with a circuit written by hand."""

BESIDE_BASELINES = {
    "quadratic": ("quadratic-private-b1", "quadratic-verdict-b1"),
    "peers": ("default-private-b1",),
}
"""Circuits whose proofs take turns with those of the baseline, by detector."""

LARGE = ("split-public-million", "split-private-10k")
"""Models of several circuits. They take half an hour each, so they are measured only if they are named."""

CASES = (*GROUPS, *THROUGHPUT, BATCHED, *FLEET, *BASELINES, *SUBMISSIONS, *CLAIMS, *AUDITS, *LARGE)
"""All cases."""

USUAL = tuple(case for case in CASES if case not in (*WORTH, *LARGE))
"""The cases that are measured if none are named."""


def matching(patterns: Sequence[str]) -> list[str]:
    """Return the cases that are named, or match a pattern, in the order of `CASES`.

    Args:
        patterns: Names or globs; each may be several, with commas between them.

    Raises:
        ConfigError: A name or pattern matches no case.
    """
    wanted = [part.strip() for pattern in patterns for part in pattern.split(",") if part.strip()]
    for each in wanted:
        if not fnmatch.filter(CASES, each):
            raise ConfigError(f"--cases {each} matches none of: {', '.join(CASES)}")
    return [case for case in CASES if any(fnmatch.fnmatch(case, each) for each in wanted)]
