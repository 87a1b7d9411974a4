"""The auditor's reader of submissions against Solidity's decoder, on random and on hostile calldata.

`ORACLE_FUZZ_CALLS=200000 pytest tests/attack/test_decoding.py` tries more than the suite does.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oracle.audit.calldata import read_submission
from oracle.chain.abi.interface import Interface
from oracle.chain.local.anvil import Anvil
from oracle.chain.local.contracts import compile_contracts
from tests.attack.hostile_calldata import Forger, calls, fields_of, verdicts

pytestmark = pytest.mark.attack

CALLS = int(os.environ.get("ORACLE_FUZZ_CALLS", "2600"))
AT_ONCE = 200
READER = "0x" + "de" * 20

VECTORS = "tests/vectors/decoding.json"
"""Solidity's verdicts, with which the unit tests compare the reader without a chain."""

READ = (
    "modelNumber", "committee", "epoch", "observedAt", "feedIds", "roundIds", "signatures", "answers", "medians",
    "scores", "proof",
)  # fmt: skip

KEPT = 1_000
"""So many of the calls are in the file."""


@dataclass(frozen=True)
class Reading:
    """Solidity's reading of a call.

    Attributes:
        content: The fields by the contract's names; None if Solidity refused the call.
    """

    content: dict[str, Any] | None


@pytest.fixture(scope="module")
def solidity(anvil: Callable[..., Anvil]) -> Callable[[list[bytes]], list[Reading]]:
    """Return a function that has Solidity read calls: with the settings, libraries and accesses of the hub."""
    compiled = compile_contracts({"SubmissionReader": "contracts/test/mocks/SubmissionReader.sol"})["SubmissionReader"]
    interface = Interface(compiled.abi)
    chain = anvil(gas_limit=2**40)
    chain.rpc("anvil_setCode", READER, "0x" + compiled.runtime.hex())

    def read(calls: list[bytes]) -> list[Reading]:
        data = "0x" + interface.encode_call("readAll", calls).hex()
        answer = bytes.fromhex(chain.rpc("eth_call", {"to": READER, "data": data, "gas": hex(2**40)}, "latest")[2:])
        found = interface.decode_output("readAll", answer)
        assert len(found) == len(calls)
        assert all(each["isRead"] or each["content"] == b"" for each in found), "the decoder gives no reasons"
        return [
            Reading(interface.decode_output("submit", each["content"]) if each["isRead"] else None) for each in found
        ]

    return read


def could_be_taken(content: dict[str, Any]) -> bool:
    """Return whether the hub goes on with what it has read: the checks that need nothing but the calldata."""
    feeds, rounds, rows = content["feedIds"], content["roundIds"], len(content["signatures"])
    due = sum(map(bool, rounds))
    return (
        1 <= len(feeds) <= 96
        and len(rounds) == len(content["medians"]) == len(feeds)
        and content["answerBytes"] == 16 * len(feeds) * rows
        and len(content["proof"]) <= 16_384
        and content["committee"] > 0
        and content["epoch"] > 0
        and rows <= 31
        and all(first < second for first, second in zip((bytes(32), *feeds), feeds, strict=False))
        and due > 0
        # As many scores for each feed as the model has outputs, and a model has one at least.
        and content["scoreBytes"] > 0
        and content["scoreBytes"] % (16 * due) == 0
        and all(row < rows for row in content["medians"])
    )


def test_the_auditor_reads_what_solidity_reads_and_nothing_else(
    solidity: Callable[[list[bytes]], list[Reading]], project_root: Path
) -> None:
    tried = list(calls(CALLS))
    kept: list[dict[str, Any] | None] = []
    seen: dict[str, Counter[str]] = {}
    for at in range(0, len(tried), AT_ONCE):
        some = tried[at : at + AT_ONCE]
        for (way, data), reading in zip(some, solidity([data for _, data in some]), strict=True):
            content = reading.content
            takes = content is not None and could_be_taken(content)
            kept.append({name: content[name] for name in READ} if content is not None and takes else None)
            for each in way.split(", "):
                seen.setdefault(each, Counter())[
                    "read" if takes else "decoded" if content is not None else "refused"
                ] += 1
            try:
                found = fields_of(read_submission(data))
            except ValueError:
                assert not takes, f"{way}: the hub takes what the auditor can't read: {data.hex()}"
                continue
            assert takes, f"{way}: the auditor reads what the hub refuses: {data.hex()}"
            expected = {name: value for name, value in (content or {}).items() if name in found}
            assert found == expected, f"{way}: read in two ways: {data.hex()}"
    written = json.dumps(verdicts(kept[:KEPT]), indent=1) + "\n"
    assert written == (project_root / VECTORS).read_text(), f"write this to {VECTORS}: {written}"
    # Of canonical calldata, the hub refuses only what has too long a proof.
    assert seen["canonical"]["read"] > 20 * seen["canonical"].total() // 21
    # Each way of altering brings both: calldata that means something to the hub, and calldata that it refuses.
    for name in (each.__name__ for each in Forger(random.Random()).ways):
        few = {kind: seen[name][kind] for kind in ("read", "refused")}
        assert few["read"] >= 5 and (few["refused"] >= 5 or name == "longer"), (name, seen[name])
