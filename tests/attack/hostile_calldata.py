"""Calldata of submissions as somebody encodes it who wants it to be read in two ways, drawn with a seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import Any

from oracle.chain.hub import Submission
from tests.attack.calldata import DYNAMIC, IF_NEWER, SUBMIT, WORD, Calldata, Signature, encode, packed, place, word

MOST = 2**64 - 1
HEAD = 4 + WORD
FIELDS = 11
EDGES = (0, 1, WORD - 1, WORD, 2**16, 2**32, MOST, MOST + 1, 2**255 - 1, 2**255, 2**256 - WORD, 2**256 - 1)


def canonical(rng: random.Random) -> bytes:
    """Return a submission as any client would encode it."""
    feeds, rows, outputs = rng.randint(1, 4), rng.randint(1, 4), rng.randint(1, 3)
    ids = sorted(rng.sample(range(1, 2**16), feeds))
    rounds = [rng.choice([0, 1, 2**32 - 1]) for _ in ids[1:]]
    rounds.insert(rng.randrange(feeds), rng.randint(1, 2**32 - 1))
    due = sum(map(bool, rounds))
    values = [rng.choice([-(2**127), -1, 0, 1, 2**127 - 1, rng.getrandbits(64)]) for _ in range(feeds * rows)]
    calldata = Calldata(
        model_number=rng.randint(0, 2**16 - 1),
        committee=rng.randint(1, 2**32 - 1),
        epoch=rng.randint(1, 2**32 - 1),
        observed_at=rng.randint(0, 2**32 - 1),
        feed_ids=tuple(sorted(word(each << rng.choice([0, 200])) for each in ids)),
        round_ids=tuple(rounds),
        signatures=tuple(Signature(rng.randbytes(32), rng.randbytes(32), rng.randbytes(32)) for _ in range(rows)),
        answers=packed(*values),
        medians=bytes(rng.randrange(rows) for _ in ids),
        scores=packed(*(rng.choice([-5, 0, 2**126]) for _ in range(due * outputs))),
        proof=rng.randbytes(rng.choice([16_384, 16_385] if rng.random() < 0.01 else [0, 1, 31, 32, 33, 100])),
    )
    return encode(calldata, rng.choice([SUBMIT, IF_NEWER]))


class Forger:
    """Alters calldata as somebody does who wants it to be read in two ways."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.ways = (
            self.offset,
            self.alias,
            self.length,
            self.start,
            self.cut,
            self.longer,
            self.high_bits,
            self.any_word,
            self.laid_out,
        )

    def altered(self, data: bytes) -> tuple[str, bytes]:
        """Return calldata after one alteration or two, and their names."""
        chosen = self.rng.choices(self.ways, k=self.rng.choice([1, 1, 1, 2]))
        for way in chosen:
            data = way(data)
        return ", ".join(way.__name__ for way in chosen), data

    def put(self, data: bytes, at: int, value: int) -> bytes:
        return data[:at] + word(value) + data[at + WORD :] if 0 <= at <= len(data) - WORD else data

    def part(self) -> int:
        """Return the place of a random part's offset."""
        return HEAD + WORD * self.rng.randrange(FIELDS - len(DYNAMIC), FIELDS)

    def begin(self, data: bytes) -> int:
        """Return where a random part begins, if the submission is where it usually is."""
        at = self.part()
        return HEAD + int.from_bytes(data[at : at + WORD]) % 2**63

    def offset(self, data: bytes) -> bytes:
        """A part elsewhere: a little before or after, at an end of the calldata, far away, before the submission."""
        at = self.part()
        old, end = int.from_bytes(data[at : at + WORD]), len(data) - HEAD
        near = [old + each for each in (-WORD, -16, -1, 1, 16, WORD)]
        last = [end + each for each in (-2 * WORD, -WORD - 1, -WORD, -WORD + 1, -1, 0, 1)]
        before = [-each for each in (1, WORD, HEAD, HEAD + 1, HEAD + WORD, 2**255)]
        return self.put(data, at, self.rng.choice([*near, *last, *before, *EDGES, self.rng.randrange(len(data))]))

    def alias(self, data: bytes) -> bytes:
        """One part in the place of another."""
        other = self.part()
        return self.put(data, self.part(), int.from_bytes(data[other : other + WORD]))

    def length(self, data: bytes) -> bytes:
        """A part longer or shorter than it is, by a little, or so that it ends near the end of the calldata."""
        at = self.begin(data)
        old = int.from_bytes(data[at : at + WORD])
        left = max(0, len(data) - at - WORD)
        fits = [left // each + more for each in (1, WORD, 3 * WORD) for more in (0, 1)]
        around = [2**256 // WORD, 2**256 // (3 * WORD) + 1]
        return self.put(data, at, self.rng.choice([old + 1, max(0, old - 1), 16 * old, *fits, *around, *EDGES]))

    def start(self, data: bytes) -> bytes:
        """The submission itself elsewhere."""
        last = len(data) - 4 - FIELDS * WORD
        return self.put(data, 4, self.rng.choice([0, 31, 33, 64, last - 1, last, last + 1, len(data), *EDGES]))

    def cut(self, data: bytes) -> bytes:
        """Less of it: some bytes of the filling, a word, or anything."""
        return data[: len(data) - self.rng.choice([1, 15, 16, 28, 31, 32, 33, self.rng.randrange(len(data))])]

    def longer(self, data: bytes) -> bytes:
        """More of it."""
        return data + self.rng.choice([bytes(1), bytes(WORD), self.rng.randbytes(self.rng.randint(1, 100))])

    def high_bits(self, data: bytes) -> bytes:
        """A bit above those of a number of the head, or of a round."""
        rounds = HEAD + int.from_bytes(data[HEAD + 5 * WORD : HEAD + 6 * WORD]) % 2**63 + WORD
        at = self.rng.choice([*(HEAD + WORD * each for each in range(4)), rounds, rounds, rounds + WORD])
        bit = self.rng.choice([15, 16, 31, 32, 33, 128, 255])
        return self.put(data, at, int.from_bytes(data[at : at + WORD]) ^ (1 << bit))

    def any_word(self, data: bytes) -> bytes:
        """A word, or sixteen bytes at any place, replaced."""
        at = 4 + 16 * self.rng.randrange(max(1, (len(data) - 4) // 16))
        return self.put(
            data, at, self.rng.choice([*EDGES, self.rng.randrange(2 * len(data)), self.rng.getrandbits(256)])
        )

    def laid_out(self, data: bytes) -> bytes:
        """The same in another order, before or after the submission's own words, with rubbish between."""
        rng = self.rng
        if len(data) < HEAD + FIELDS * WORD or int.from_bytes(data[4:HEAD]) != WORD:
            return data
        try:
            at = {part: place(data, part) for part in DYNAMIC}
        except OverflowError:
            return data
        begins = sorted(at.values())
        ends = dict(zip(begins, [*begins[1:], len(data)], strict=True))
        pieces = [(part, data[begin : ends[begin]]) for part, begin in at.items()]
        rng.shuffle(pieces)
        before = pieces[: rng.randint(0, len(pieces))]
        body, places = b"", {}
        for part, content in [*before, ("", bytes(FIELDS * WORD)), *pieces[len(before) :]]:
            body += rng.randbytes(rng.choice([0, 0, 1, 32, 40]))
            places[part] = len(body)
            body += content
        head = places.pop("")
        words = [data[HEAD + each * WORD : HEAD + (each + 1) * WORD] for each in range(FIELDS)]
        for index, name in enumerate(Calldata.__dataclass_fields__):
            if name in places:
                words[index] = word(places[name] - head)
        body = body[:head] + b"".join(words) + body[head + FIELDS * WORD :]
        return data[:4] + word(WORD + head) + body


def fields_of(found: Submission) -> dict[str, Any]:
    """Return what the auditor read, by the contract's names."""
    report, signatures = found.signed.report, found.signed.signatures
    return {
        "modelNumber": found.model_number,
        "committee": report.committee,
        "epoch": report.epoch,
        "observedAt": report.observed_at,
        "feedIds": report.feed_ids,
        "roundIds": report.round_ids,
        "signatures": tuple({"readings": each.readings, "r": each.r, "vs": each.vs} for each in signatures),
        "answers": tuple(answer % 2**256 for each in signatures for answer in each.answers),
        "medians": found.medians,
        "scores": tuple(score for row in found.scores for score in row),
        "proof": found.proof,
    }


def calls(count: int) -> Iterator[tuple[str, bytes]]:
    rng = random.Random(17)
    forger = Forger(rng)
    for number in range(count):
        data = canonical(rng)
        yield ("canonical", data) if number % 20 == 0 else forger.altered(data)


def verdicts(found: list[dict[str, Any] | None]) -> dict[str, str]:
    """Return which calls were read, a bit for each, and a digest of what was read, for a file."""
    bits = sum(1 << number for number, each in enumerate(found) if each is not None)
    content = repr([None if each is None else sorted(each.items()) for each in found])
    return {"count": str(len(found)), "read": f"{bits:x}", "sha256": hashlib.sha256(content.encode()).hexdigest()}
