"""Model cards: what was proven, verified, or counted on the chain."""

from __future__ import annotations

from oracle.detectors.cards.card import CardModel, Summary
from oracle.detectors.cards.onchain import Published
from oracle.detectors.cards.verify import CardReport


def print_summary(summary: Summary) -> None:
    """Print how many faults the model caught, and how many normal windows it held."""
    for kind, (faults, caught) in summary.by_kind.items():
        print(f"  {kind}: {caught} of {faults} caught")
    print(f"faults caught   {summary.caught} of {summary.faults}")
    print(f"false holds     {summary.false_holds} of {summary.normals} normal windows")


def print_report(model: CardModel, report: CardReport) -> None:
    """Print what the verification of a card found."""
    bound = "none: the verifying key has the weights" if model.model_hash is None else f"{model.model_hash:#066x}"
    print(f"model           {model.name}")
    print(f"model hash      {bound}")
    print(f"verifier code   {model.verifier_code_hash}")
    print(f"benchmark root  {report.root}")
    print(f"batches         {report.verified} of {report.batches} verified")
    if report.summary is not None:
        print_summary(report.summary)
    for note in report.notes:
        print(f"note: {note}")
    for problem in report.problems:
        print(f"problem: {problem}")
    print("the card is what it says" if report.ok else "the card is NOT what it says")


def print_published(card: Published) -> None:
    """Print a card as the chain has counted it."""
    print(f"card            {card.card_id}")
    print(f"model           number {card.model_number} of hub {card.hub}")
    print(f"model hash      {card.model_hash:#066x}")
    print(f"benchmark root  {card.root}")
    state = "complete" if card.complete else "INCOMPLETE: what is missing may be what went badly"
    print(f"batches         {card.counted} of {card.batches} verified by {card.verifier}, {state}")
    print(f"faults caught   {card.caught} of {card.faults}")
    print(f"false holds     {card.false_holds} of {card.normals} normal windows")
    for note in card.notes:
        print(f"note: {note}")
    for problem in card.problems:
        print(f"problem: {problem}")
    if card.problems:
        print("the figures show NOTHING: see the problems")
