"""All mutants of a file in one text, of which one is chosen at run time.

A build of the hub takes a minute, and there are thousands of mutants. So they are built once, together: each changed
place asks the block's coinbase which mutant is meant, `a < b` becomes `(_isMutant(7) ? a <= b : a < b)`, and forge's
option --block-coinbase chooses it. For this, every `pure` of the copy becomes `view`. (R. H. Untch, A. J. Offutt and
M. J. Harrold, "Mutation analysis using mutant schemata", 1993.)
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scripts.mutants.solidity.operators import Change, Form

FIRST = 1 << 24
"""The number of the first mutant: no address of a test or of a precompile."""

_CHOICE = """
function _isMutant(uint160 number) view returns (bool) {
    return block.coinbase == address(number);
}
"""
_YUL_CHOICE = "function mutated(mutant, a, b) -> r { r := b if eq(coinbase(), mutant) { r := a } } "
_CODE = re.compile(r"(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<pure>\bpure\b)", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """A part of the text.

    Attributes:
        text: The part.
        numbers: The mutants that the part is there for; empty: the file's own text.
    """

    text: str
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Span:
    start: int
    end: int
    changes: tuple[tuple[int, Change], ...]


def impure(text: str) -> str:
    """Return a source in which each function may read the block."""
    return _CODE.sub(lambda match: match["comment"] or "view", text)


def combined(text: str, chosen: Mapping[int, Change]) -> list[Piece]:
    """Return a file's text with all chosen changes, by their numbers, in pieces.

    Args:
        text: The file's text.
        chosen: The changes of the file by number.
    """
    spans: defaultdict[tuple[int, int], list[tuple[int, Change]]] = defaultdict(list)
    bodies: list[tuple[int, int, Change]] = []
    for number, change in chosen.items():
        if change.form is Form.BODY:
            bodies.append((int(change.cast.partition(":")[0]), number, change))
            spans[(change.mutant.start, change.mutant.end)].append((number, change))
        else:
            spans[(change.mutant.start, change.mutant.end)].append((number, change))
    for brace, number, change in bodies:
        spans[(brace, brace)].append((number, change))
    ordered = [_Span(*place, tuple(found)) for place, found in spans.items()]
    ordered.sort(key=lambda each: (each.start, -each.end))
    pieces = _compose(text, 0, len(text), ordered)
    # Each assembly block that has a choice defines how it is made.
    pieces = _with_yul_choice(pieces)
    return [*pieces, Piece(_CHOICE)]


def blamed(pieces: Sequence[Piece], position: int) -> tuple[int, ...]:
    """Return the mutants whose part of the text holds a position; empty: none has."""
    at = 0
    for piece in pieces:
        at += len(piece.text)
        if position < at:
            return piece.numbers
    return ()


def _compose(text: str, start: int, end: int, spans: Sequence[_Span]) -> list[Piece]:
    pieces: list[Piece] = []
    at, index = start, 0
    while index < len(spans):
        span = spans[index]
        inner = index + 1
        while inner < len(spans) and spans[inner].start < span.end and spans[inner].end <= span.end:
            inner += 1
        pieces.append(Piece(text[at : span.start]))
        pieces += _choose(span, _compose(text, span.start, span.end, spans[index + 1 : inner]))
        at, index = span.end, inner
    pieces.append(Piece(text[at:end]))
    return [piece for piece in pieces if piece.text]


def _choose(span: _Span, base: list[Piece]) -> list[Piece]:
    numbers = tuple(number for number, _ in span.changes)
    form = span.changes[0][1].form
    cast = next((change.cast for _, change in span.changes if change.cast), "")
    if form is Form.BODY:
        if span.start != span.end:
            return []
        checks = "".join(
            f" if (!_isMutant({FIRST + number})) {{ {change.cast.partition(':')[2]} }}"
            for number, change in span.changes
        )
        return [Piece(checks, numbers)]
    if form is Form.EXPRESSION:
        before = "".join(
            f"_isMutant({FIRST + number}) ? {_cast(change.mutant.replacement, cast)} : "
            for number, change in span.changes
        )
        opening, closing = (f"{cast}(", "))") if cast else ("(", "))")
        return [Piece("(" + before + opening, numbers), *_marked(base, numbers), Piece(closing, numbers)]
    if form is Form.STATEMENT:
        before = "{ " + "".join(
            f"if (_isMutant({FIRST + number})) {{ {change.mutant.replacement} }} else "
            for number, change in span.changes
        )
        return [Piece(before + "{ ", numbers), *base, Piece(" } }", numbers)]
    if form is Form.YUL_EXPRESSION:
        before = "".join(f"mutated({FIRST + number}, {change.mutant.replacement}, " for number, change in span.changes)
        return [Piece(before, numbers), *base, Piece(")" * len(span.changes), numbers)]
    (number, _), *rest = span.changes
    if rest:
        raise ValueError(f"two changes of one statement in assembly: {span}")
    return [Piece(f"if sub(coinbase(), {FIRST + number}) {{ ", numbers), *base, Piece(" }", numbers)]


def _marked(base: list[Piece], numbers: tuple[int, ...]) -> list[Piece]:
    """A type error of a choice is reported at its first alternative, or at the place itself."""
    return [piece if piece.numbers else Piece(piece.text, numbers) for piece in base]


def _cast(text: str, cast: str) -> str:
    return f"{cast}({text})" if cast else f"({text})"


def _with_yul_choice(pieces: Sequence[Piece]) -> list[Piece]:
    result: list[Piece] = []
    for piece in pieces:
        # Only the file's own text opens assembly blocks.
        text = re.sub(r'(\bassembly\s*(\("memory-safe"\)\s*)?\{)', r"\1 " + _YUL_CHOICE, piece.text)
        result.append(Piece(text, piece.numbers))
    return result
