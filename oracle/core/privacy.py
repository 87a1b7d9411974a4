"""The visibilities of weights that the package offers, what each one means, and which ones it refuses.

ezkl has five visibilities of weights. With two of them a proof is about one fixed model, as a feed needs it. The
package calls these two private and public.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VISIBILITIES: Mapping[str, str] = {"private": "hashed", "public": "fixed"}
"""The package's words, each with ezkl's word for the same."""

_WEIGHTS: Mapping[str, Mapping[str, Any]] = {
    "private": {
        "ezkl": "hashed",
        "hidden": True,
        "bound_by": "model_hash",
        "means": "hashed: the weights are blinded, and their Poseidon hash is the first instance",
    },
    "public": {
        "ezkl": "fixed",
        "hidden": False,
        "bound_by": "verifier_code_hash",
        "means": "fixed: the weights are in the verifying key, and proofs reveal them to who collects them",
    },
}

_OUTPUTS: Mapping[str, Mapping[str, Any]] = {
    "score": {
        "exact": True,
        "means": "a proof publishes the exact scores; each is one equation in the weights",
    },
    "verdict": {
        "exact": False,
        "means": "a proof publishes the verdict alone: on which side of its limit a score is, or which is the largest",
    },
}

_UNBOUND = (
    "binds the proof to no model: weights that are private without a hash can be any, so a proof says nothing of the "
    "model that the feed committed to"
)
_POLYCOMMIT = (
    "commits to the weights without blinding, so that proofs reveal them as those of a public model do, and the "
    "contract compares the commitment with nothing"
)
_LOOSE_HASH = (
    "does not bind the published hash to the weights: no constraint ties the two, so the proof can be of another model"
)
_UNKNOWN = "is none that this release knows"
_BOUND_HASH = {"Hashed": {"hash_is_public": True, "outlets": []}}
"""The value that ezkl's settings have for `hashed`."""

_INSTANCES = "has every weight among the instances, which the contract does not build"


def refusal(param_visibility: object) -> str:
    """Return why a feed can't use a circuit whose weights have ezkl's visibility `param_visibility`; "" if it can.

    Args:
        param_visibility: The visibility as in ezkl's arguments ("hashed/private/0") or its settings ({"Hashed": {…}}).
    """
    if isinstance(param_visibility, Mapping):
        return "" if param_visibility == _BOUND_HASH else _LOOSE_HASH if "Hashed" in param_visibility else _UNKNOWN
    word = str(param_visibility).strip().lower()
    if word in ("hashed", "hashed/public", "fixed"):
        return ""
    if word.startswith("hashed"):
        return _LOOSE_HASH
    reasons = {"private": _UNBOUND, "polycommit": _POLYCOMMIT, "kzgcommit": _POLYCOMMIT, "public": _INSTANCES}
    return reasons.get(word, _UNKNOWN)


def refused_word(word: str) -> str | None:
    """Return why a user's word for the visibility of weights is refused; None if it is "private" or "public".

    Other words are taken as ezkl means them. "private" is the package's word, which is ezkl's "hashed": ezkl's own
    "private" can't be asked for.
    """
    if word in VISIBILITIES:
        return None
    offered = '"private" (hashed in the circuit) or "public" (in the verifying key)'
    for ours, theirs in VISIBILITIES.items():
        if word.strip().lower() in (ours, theirs, f"{theirs}/public"):
            return f'{word!r} is called "{ours}" here'
    reason = refusal(word)
    if reason == _UNKNOWN:
        return f"{word!r} is not a visibility of weights: say {offered}"
    return f"{word!r} is refused, because it {reason}. Say {offered}"


PRIVATE_SCORES = (
    "a private model can't publish scores: each exact score is one equation in its weights, and as many reports as it "
    "has weights give them away"
)
PUBLISHED_MODEL = (
    "a private circuit around a published model hides nothing: the model ships with the package, everybody has it"
)
RETRAINED = (
    "Whoever has the same data can train again and finds the same limits; with `vary` in the training file, some 13 "
    "per cent of the room under them stay hidden (docs/privacy.md). Data that nobody else has hide most."
)
_SHIPPED = "the model ships with the package, everybody has it"


_OUT_OF_SCORES = (
    'Either leave out disclosure = "score", so that it publishes verdicts, or say visibility = "public" and show the '
    "weights"
)
_OUT_OF_PUBLISHED = (
    'Either leave out visibility = "private", or name a model of your own in [prover] model (`oracle detector train` '
    "makes one)"
)


@dataclass(frozen=True)
class ModelPrivacy:
    """The visibility of a model's weights, what its proofs publish, and why.

    Attributes:
        visibility: "private" or "public".
        disclosure: "verdict" or "score".
        why: The reason, for people.
    """

    visibility: str
    disclosure: str
    why: str

    @property
    def stranger(self) -> tuple[str, ...]:
        """Say in sentences what somebody can know of the model who has only what is published."""
        if self.visibility == "private":
            return (
                "The chain has a hash of its weights and of a salt of 128 bits: nobody can test a guess against it.",
                "Each report publishes its features and one verdict, held or not: a sign, no distance.",
                RETRAINED,
            )
        who = "Everybody has it" if self.why == _SHIPPED else "Whoever collects its proofs can compute its weights"
        return (f"{who}, and can walk just below its limits. It keeps out faults, not somebody who means to deceive.",)

    def __str__(self) -> str:
        """Return all three as one line."""
        outputs = "verdicts" if self.disclosure == "verdict" else "scores"
        return f"{self.visibility}, publishes {outputs}: {self.why}"


def privacy_of(*, own: bool, visibility: str | None = None, disclosure: str | None = None) -> ModelPrivacy:
    """Return what a model hides and what it publishes: as asked for, or else as it follows from whose model it is.

    Args:
        own: True for a model of the user's own, False for the one of the package.
        visibility: The visibility that was asked for; None: it follows.
        disclosure: The disclosure that was asked for; None: it follows.
    """
    weights = visibility or ("private" if own else "public")
    outputs = disclosure or ("verdict" if weights == "private" else "score")
    if not own:
        why = _SHIPPED
    elif weights == "private":
        why = "the model is your own; exact scores would give its weights away"
    else:
        why = "you publish a model of your own; proofs reveal its weights to who collects them"
    return ModelPrivacy(weights, outputs, why)


def privacy_problems(*, own: bool, visibility: str | None = None, disclosure: str | None = None) -> Mapping[str, str]:
    """Return by key, "visibility" or "disclosure", why what was asked for is refused; empty if it is not.

    Args:
        own: See `privacy_of`.
        visibility: See `privacy_of`.
        disclosure: See `privacy_of`.
    """
    found = privacy_of(own=own, visibility=visibility, disclosure=disclosure)
    if found.visibility != "private":
        return {}
    problems = {} if own else {"visibility": f"{PUBLISHED_MODEL}. {_OUT_OF_PUBLISHED}"}
    if found.disclosure == "score":
        problems["disclosure"] = f"{PRIVATE_SCORES}. {_OUT_OF_SCORES}"
    return problems


_HASHED_END = {"Hashed": {"hash_is_public": True, "outlets": []}}


def settings_problem(settings: Mapping[str, Any], visibility: str, hashed: Sequence[str] = ()) -> str:
    """Return why ezkl's settings of a circuit do not fit an artifact's `visibility`; "" if they fit.

    Args:
        settings: The circuit's settings, as ezkl writes them.
        visibility: "private" or "public", as the artifact's manifest says.
        hashed: The ends of a segment, "input" or "output", that the manifest calls hashed.
    """
    arguments = settings.get("run_args")
    if not isinstance(arguments, Mapping):
        return "they have no run arguments"
    for end in ("input", "output"):
        name = f"{end}_visibility"
        if end in hashed:
            # This end of a segment is hashed, and the segment beside it publishes the same hash.
            if arguments.get(name) != _HASHED_END:
                return f"{name} is {_word(arguments.get(name))}, but the manifest calls it hashed"
        elif arguments.get(name) != "Public":
            return (
                f"{name} is {_word(arguments.get(name))}, not Public: the contract has to see what was judged and how"
            )
    found = arguments.get("param_visibility")
    reason = refusal(found)
    if reason:
        return f"param_visibility is {_word(found)}, which {reason}"
    if ("hashed" if isinstance(found, Mapping) else "fixed") != VISIBILITIES[visibility]:
        return f"param_visibility is {_word(found)}, but the manifest calls the weights {visibility}"
    return ""


def statement(visibility: str, disclosure: str) -> dict[str, Any]:
    """Return what an artifact hides and what it publishes, for machines and (`means`) for people."""
    return {"weights": dict(_WEIGHTS[visibility]), "outputs": dict(_OUTPUTS[disclosure])}


def _word(value: object) -> str:
    if isinstance(value, Mapping) and "Hashed" in value:
        return f"Hashed {value['Hashed']}"
    return str(value) if value is not None else "missing"
