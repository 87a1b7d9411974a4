"""The terms that a model is judged at: those of its card, which is beside it, unless others are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oracle.core.errors import DataError
from oracle.core.types import Kind
from oracle.detectors.evaluation.recording import Recording
from oracle.detectors.evaluation.settings import FeedOptions

__all__ = ["CardTerms", "GivenTerms", "SettledTerms", "card_path", "card_terms", "settle"]


@dataclass(frozen=True, slots=True)
class CardTerms:
    """The terms that a model was trained at.

    Attributes:
        model: The model's name.
        series: The series of the card that they are of.
        kind: How moves are measured.
        decimals: Decimals of the answers.
        sigma: See `oracle.core.encoding.move`.
        heartbeat: Seconds.
        peers: Sigma by name of the series' peers.
        budget: Holds of 10,000 that were allowed.
    """

    model: str
    series: str
    kind: Kind
    decimals: int
    sigma: int
    heartbeat: int
    peers: Mapping[str, int]
    budget: float


@dataclass(frozen=True, slots=True)
class GivenTerms:
    """The terms that a user gives; None: the card's, or else found in the recording."""

    kind: Kind | None = None
    decimals: int | None = None
    sigma: int | None = None
    heartbeat: int | None = None


@dataclass(frozen=True, slots=True)
class SettledTerms:
    """The terms of an evaluation.

    Attributes:
        options: The feed's parameters.
        recording: The recording, its peers with their sigmas.
        budget: Holds of 10,000 that are allowed; None: no card says how many.
        notes: Where the terms come from, in sentences.
        warnings: Terms that are not those of a model's card.
    """

    options: FeedOptions
    recording: Recording
    budget: float | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def card_path(model: Path) -> Path:
    """Return the place of a model's card: NAME.card.json beside NAME.json."""
    return model.with_name(f"{model.stem}.card.json")


def card_terms(card: Mapping[str, Any], series: str | None, recording: str, where: str) -> CardTerms:
    """Return the terms of a model card.

    Args:
        card: The card.
        series: The series that is judged; None: the card's only one, or the one with the recording's name.
        recording: The recording's name.
        where: The card's place, for error messages.

    Raises:
        DataError: The card has several series, and none or none of these is named.
    """
    sections = {section["name"]: section["data"] for section in card["series"]}
    name = series or (next(iter(sections)) if len(sections) == 1 else recording)
    if name not in sections:
        problem = "has the terms of several series" if series is None else f"has no series {series!r}"
        raise DataError(f"{where} {problem}: name one of {', '.join(sections)} with --card-series")
    data = sections[name]
    return CardTerms(
        card["name"],
        name,
        Kind[data["kind"].upper()],
        data["decimals"],
        data["sigma"],
        data["heartbeat"],
        {peer["name"]: peer["sigma"] for peer in data["peers"]},
        float(card["budget"]["false_holds_per_10k"]),
    )


def settle(given: GivenTerms, options: FeedOptions, recording: Recording, cards: Sequence[CardTerms]) -> SettledTerms:
    """Return the terms to judge at: as given, else the first card's, else found in the recording.

    Args:
        given: What the user gives.
        options: The feed's other parameters.
        recording: The recording.
        cards: The cards of those models that have one.
    """
    first = cards[0] if cards else None
    kind = given.kind if given.kind is not None else first.kind if first else options.kind
    decimals = given.decimals if given.decimals is not None else first.decimals if first else options.decimals
    sigma = given.sigma or (first.sigma if first else options.sigma)
    heartbeat = given.heartbeat or (first.heartbeat if first else options.heartbeat)
    settled = replace(options, kind=kind, decimals=decimals, sigma=sigma, heartbeat=heartbeat)
    recording = _with_sigmas(recording, first)
    notes, warnings = [], []
    if first is not None:
        notes.append(
            f"terms of the card of {first.model}, series {first.series}: {_said(first.kind, first.sigma)}, heartbeat "
            f"{first.heartbeat} s"
        )
    elif sigma is None:
        notes.append("no model has a card beside it: sigma is found in the first half of the recording")
    for card in cards:
        warnings += _differences(card, settled, recording)
    budget = first.budget if first else None
    return SettledTerms(settled, recording, budget, tuple(notes), tuple(warnings))


def _said(kind: Kind, sigma: int) -> str:
    return f"sigma {sigma:,} {'ppm' if kind is Kind.RELATIVE else 'answer units'}"


def _with_sigmas(recording: Recording, card: CardTerms | None) -> Recording:
    """Return the recording with its peers' sigmas from a card: by name, or in order where no name is the same."""
    if card is None or not card.peers:
        return recording
    named = any(peer.name in card.peers for peer in recording.peers)
    in_order = list(card.peers.values()) if not named else []
    peers = []
    for place, peer in enumerate(recording.peers):
        known = card.peers.get(peer.name) or (in_order[place] if place < len(in_order) else None)
        peers.append(replace(peer, sigma=peer.sigma or known))
    return replace(recording, peers=tuple(peers))


def _differences(card: CardTerms, settled: FeedOptions, recording: Recording) -> list[str]:
    """Return how the terms differ from those of a card."""
    found = []
    if settled.kind is not card.kind:
        found.append(f"model {card.model} was trained on a feed of kind {card.kind.name.lower()}; here it is another")
    elif settled.sigma != card.sigma:
        found.append(
            f"model {card.model} was trained at {_said(card.kind, card.sigma)}, and is judged at "
            f"{_said(settled.kind, settled.sigma or 0)}: its moves are measured otherwise, so it is another one here"
        )
    if settled.heartbeat != card.heartbeat:
        found.append(
            f"model {card.model} was trained with a heartbeat of {card.heartbeat} s, and is judged with "
            f"{settled.heartbeat} s"
        )
    if card.peers and not recording.peers:
        found.append(
            f"model {card.model} was trained beside {', '.join(card.peers)}, and here it sees no peer: what is left is "
            "what it makes of the feed's own moves (--peer, --peer-column)"
        )
    own = {peer.name: peer.sigma for peer in recording.peers}
    for name, sigma in card.peers.items():
        if own.get(name) not in (None, sigma):
            found.append(
                f"model {card.model} was trained at sigma {sigma:,} of the peer {name}; here it is {own[name]:,}"
            )
    return found
