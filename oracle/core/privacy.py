"""The visibilities of weights that the package offers, what each one means, and which ones it refuses.

ezkl has five visibilities of weights. With two of them a proof is about one fixed model, as a feed needs it. The
package calls these two private and public.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
