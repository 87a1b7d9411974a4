"""Tests of the deployed verifier itself: it takes the canonical encoding of a statement, and no other."""

from __future__ import annotations

import pytest

from oracle.core import encoding
from oracle.core.encoding import FIELD_MODULUS
from oracle.core.errors import ContractRejected
from oracle.core.formats import keccak
from tests.attack.calldata import word
from tests.attack.node import OUTSIDER
from tests.attack.rig import NORMAL, Rig

pytestmark = pytest.mark.attack

SELECTOR = keccak(b"verifyProof(bytes,uint256[])")[:4]


class Statement:
    """A proof and its instances, which can be encoded well or badly."""

    def __init__(self, rig: Rig) -> None:
        window = rig.window("solo", NORMAL, 600)
        artifact = rig.proofs.artifact()
        self.proof = rig.proofs.prove(window)
        self.instances = encoding.instances(artifact.model_hash, [window], [rig.proofs.scores(window)], 1)
        self.end = 0x40 + 0x20 + len(self.proof)

    def encoded(self, proof: bytes | None = None, instances: tuple[int, ...] | None = None) -> bytes:
        proof = self.proof if proof is None else proof
        instances = self.instances if instances is None else instances
        head = word(0x40) + word(0x60 + len(proof))
        return SELECTOR + head + word(len(proof)) + proof + self.array(instances)

    def array(self, instances: tuple[int, ...] | None = None) -> bytes:
        values = self.instances if instances is None else instances
        return word(len(values)) + b"".join(word(value) for value in values)

    def bytes_(self) -> bytes:
        return word(len(self.proof)) + self.proof


@pytest.fixture
def statement(rig: Rig) -> Statement:
    return Statement(rig)


def verifies(rig: Rig, data: bytes) -> bool:
    """Return whether the verifier returns true. A revert counts as false."""
    try:
        answer = rig.run(rig.rpc.call(rig.verifier(), data, sender=rig.address(OUTSIDER)))
    except ContractRejected:
        return False
    return answer == word(1)


def reverts(rig: Rig, data: bytes) -> bool:
    try:
        rig.run(rig.rpc.call(rig.verifier(), data, sender=rig.address(OUTSIDER)))
    except ContractRejected:
        return True
    return False


@pytest.fixture(autouse=True)
def _control(rig: Rig, statement: Statement) -> None:
    assert verifies(rig, statement.encoded())


@pytest.mark.parametrize(
    "name",
    [
        "both arrays shifted",
        "proof shifted, instances where they were",
        "words between proof and instances",
        "bytes between proof and instances",
        "instances first",
        "instances twice, the second named",
        "instances twice, the first named",
        "instances inside the proof",
        "proof inside the instances",
        "arrays at one place",
        "words after the instances",
        "a byte after the instances",
        "offset beyond 64 bits",
        "offset that wraps",
        "a word short",
        "a byte short",
        "no arguments",
    ],
)
def test_other_encodings_of_a_valid_statement(rig: Rig, statement: Statement, name: str) -> None:
    """By the ABI, all but the malformed ones mean the same, but the generated code reads fixed places in any case."""
    proof, array, end = statement.bytes_(), statement.array(), statement.end
    forged = statement.array((*statement.instances[:-2], FIELD_MODULUS - 1, FIELD_MODULUS - 1))
    inside = len(statement.proof) - len(array) // 32 * 32
    good = statement.encoded()
    altered = {
        "both arrays shifted": word(0x60) + word(end + 0x20) + word(0) + proof + array,
        "proof shifted, instances where they were": word(0x60) + word(end) + word(len(statement.proof)) + proof + array,
        "words between proof and instances": word(0x40) + word(end + 0x20) + proof + word(0) + array,
        "bytes between proof and instances": word(0x40) + word(end + 1) + proof + b"\0" + array,
        "instances first": word(0x40 + len(array)) + word(0x40) + array + proof,
        # A naive caller checks the array that the offset names; the verifier reads the one that follows.
        "instances twice, the second named": word(0x40) + word(end + len(array)) + proof + array + forged,
        "instances twice, the first named": word(0x40) + word(end) + proof + array + forged,
        "instances inside the proof": word(0x40) + word(inside) + proof + array,
        "proof inside the instances": word(end) + word(end) + proof + array,
        "arrays at one place": word(0x40) + word(0x40) + proof + array,
        "words after the instances": good[4:] + word(0),
        "a byte after the instances": good[4:] + b"\0",
        "offset beyond 64 bits": word(0x40 + 2**64) + word(end) + proof + array,
        "offset that wraps": word(0x40) + word(end + 2**255) + proof + array,
        "a word short": good[4:-32],
        "a byte short": good[4:-1],
        "no arguments": b"",
    }[name]
    assert reverts(rig, SELECTOR + altered)
    assert verifies(rig, good)


def test_the_fixed_places_are_what_counts(rig: Rig, statement: Statement) -> None:
    """The forgery: a valid statement at the fixed places, and another one where the offset points."""
    array, end = statement.array(), statement.end
    forged = statement.array((*statement.instances[:-2], FIELD_MODULUS - 1, FIELD_MODULUS - 1))
    data = SELECTOR + word(0x40) + word(end + len(array)) + statement.bytes_() + array + forged
    assert not verifies(rig, data)
    assert verifies(rig, statement.encoded())


def test_instances_that_are_not_reduced(rig: Rig, statement: Statement) -> None:
    """An instance and the same plus the field's order are one element, but would be two different statements."""
    for index, value in enumerate(statement.instances):
        for alias in (value + FIELD_MODULUS, value + 2 * FIELD_MODULUS, value + 5 * FIELD_MODULUS):
            if alias >= 2**256:
                continue
            altered = (*statement.instances[:index], alias, *statement.instances[index + 1 :])
            assert reverts(rig, statement.encoded(instances=altered)), f"instance {index}"
    for value in (FIELD_MODULUS, 2**256 - 1):
        assert reverts(rig, statement.encoded(instances=(*statement.instances[:-1], value)))


def test_each_instance_counts(rig: Rig, statement: Statement) -> None:
    """The model's hash, each feature and each score all have an effect."""
    for index, value in enumerate(statement.instances):
        altered = (*statement.instances[:index], (value + 1) % FIELD_MODULUS, *statement.instances[index + 1 :])
        assert not verifies(rig, statement.encoded(instances=altered)), f"instance {index}"


def test_number_of_instances(rig: Rig, statement: Statement) -> None:
    for altered in ((), statement.instances[:-1], (*statement.instances, 0), statement.instances * 2):
        assert reverts(rig, statement.encoded(instances=altered))


def test_length_of_the_proof(rig: Rig, statement: Statement) -> None:
    for altered in (b"", statement.proof[:-32], statement.proof + bytes(32)):
        assert reverts(rig, statement.encoded(proof=altered))
    # A length that does not match what follows it.
    good = statement.encoded()
    for length in (0, len(statement.proof) - 32, len(statement.proof) + 32, 2**64, 2**256 - 1):
        assert reverts(rig, good[: 4 + 0x40] + word(length) + good[4 + 0x60 :]), length
