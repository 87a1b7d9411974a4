"""The cases of the benchmark, by name."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

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

QUADRATIC = {
    **{
        f"quadratic-{visibility}-b{batch}": (visibility, "score", batch)
        for visibility in ("private", "public")
        for batch in BATCHES
    },
    "quadratic-verdict-b1": ("private", "verdict", 1),
}
"""Circuits of the default detector: visibility of the weights, what a proof publishes, windows."""

REPORTED = {case: facts[:2] for case, facts in QUADRATIC.items() if facts[2] == 1}
"""The circuits of one window, with which a daemon reports to a chain."""

TUNED = {
    **{f"tuned-{model}": model for model in MODELS},
    **{f"tuned-{model}-private": model for model in MODELS if model not in PUBLIC_ONLY},
}
"""Imported models as `oracle model build` tunes them."""

DEFAULT = "ezkl-default-quadratic"
DEFAULTS = {
    DEFAULT: 1,
    f"{DEFAULT}-b{BATCHES[-1]}": BATCHES[-1],
    **{f"ezkl-default-{model}": 1 for model in MODELS},
}
"""ezkl's pipeline as it is documented, on the same graphs: windows in one circuit."""

THROUGHPUT = {
    "throughput-public-b1": ("public", 1),
    "throughput-private-b1": ("private", 1),
    "throughput-private-b16": ("private", 16),
    "throughput-public-b32": ("public", 32),
    "throughput-private-b32": ("private", 32),
}
"""Proofs per second: visibility of the weights, windows in one circuit."""

BATCHED = "daemon-batched"
"""A daemon whose feeds share proofs, beside one whose feeds don't."""

FLEET = {"daemon-1000": ("private", 1_000), "daemon-1000-public": ("public", 1_000)}
"""One daemon with very many feeds, all due every minute: visibility of the weights, feeds."""

VISIBILITIES = ("public", "private")
SUBMISSIONS = {
    f"submit-{visibility}-b{batch}-q{signatures}": (visibility, batch, signatures)
    for visibility in reversed(VISIBILITIES)
    for batch in SUBMITTED_BATCHES
    for signatures in SIGNATURES
}
"""Gas of submissions: visibility of the weights, feeds of the report, signatures."""

SUBMISSION_TARGETS = {
    "submit-private-b1-q1": 540_000,
    "submit-private-b1-q10": 612_000,
    "submit-private-b16-q1": 91_000,
    "submit-private-b16-q5": 96_000,
    "submit-private-b16-q10": 101_000,
    "submit-private-b32-q5": 81_000,
}
"""The most gas that one feed of a submission should cost."""

PACKAGED_CLAIMS = ("identity", "credit", "fair-play")
CLAIMS = {
    **{f"claim-{name}": name for name in PACKAGED_CLAIMS},
    **{f"claim-linear-{count}": f"linear-{count}" for count in (8, 16, 32, 64, 128)},
}
"""Private claims: the model of each case."""

GROUPS = {
    **dict.fromkeys((*QUADRATIC, *(case for case in DEFAULTS if case.startswith(DEFAULT))), "quadratic"),
    **TUNED,
    **{f"ezkl-default-{model}": model for model in MODELS},
}
"""The model of each case whose proofs are timed."""

BESIDE = {
    **{
        case: DEFAULT if batch == 1 else f"{DEFAULT}-b{batch}"
        for case, (_, _, batch) in QUADRATIC.items()
        if batch in (1, BATCHES[-1])
    },
    **{case: f"ezkl-default-{model}" for case, model in TUNED.items()},
}
"""The case of ezkl's that each of ours is compared with: of the same model, with as many windows."""

BASELINES = ("onchain-quadratic", "groth16-quadratic")
"""The default model without ezkl: evaluated by a contract, and proven with a circuit written by hand."""

BESIDE_BASELINES = ("quadratic-private-b1", "quadratic-verdict-b1")
"""Circuits whose proofs take turns with the baseline's."""

CASES = (*GROUPS, *THROUGHPUT, BATCHED, *FLEET, *BASELINES, *SUBMISSIONS, *CLAIMS)


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
