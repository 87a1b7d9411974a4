"""Tests of hardening generated verifiers: it is inserted in exactly the right place, or fails loudly."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from oracle.core.encoding import FIELD_MODULUS
from oracle.core.errors import ArtifactError, CompileError
from oracle.core.formats import keccak
from oracle.proving.artifact import verifier
from oracle.proving.srs.ceremony import CEREMONY_NEG_S_G2

LOCAL = tuple(value ^ 1 for value in CEREMONY_NEG_S_G2)
CHECK = "                success := and(success, eq(0x0920, proof.length))\n"
LENGTH = 0x0920


def generated(neg_s_g2: tuple[int, ...] = LOCAL) -> str:
    """Return the parts of a generated verifier that matter here."""
    constants = "".join(
        f"                mstore({0x8E0 + 32 * index:#06x}, {value:#066x}) // neg_s_g2_{name}\n"
        for index, (name, value) in enumerate(zip(("x_1", "x_2", "y_1", "y_2"), neg_s_g2, strict=True))
    )
    return f"""// SPDX-License-Identifier: MIT

pragma solidity ^0.8.0;

contract Halo2Verifier {{
    function verifyProof(
        bytes calldata proof,
        uint256[] calldata instances
    ) public returns (bool) {{
        assembly {{
            let success := true
            {{
                // Check valid length of proof
{CHECK}
                success := and(success, eq(0x13, instances.length))
{constants}            }}
            {{
                let x_n := x
{verifier._LAGRANGE_COUNT}
                let x_n_minus_1 := addmod(x_n, sub(r, 1), r)
{verifier._INVERSION}
                let l_i_cptr := add(X_N_MPTR, 0x40)
{verifier._EVALUATION}
                let l_0 := mload(add(X_N_MPTR, 0xc0))
            }}
        }}
    }}
}}"""


def test_hardening_is_inserted_once_behind_the_length_check() -> None:
    source = verifier.harden(generated(), LENGTH, {"Circuit": "abc", "Note": "two\nlines */"})
    after = source.split(CHECK)[1]
    lines = [line.strip() for line in after.splitlines()[:4]]
    assert lines[1:] == [
        "success := and(success, eq(proof.offset, 0x64))",
        "success := and(success, eq(instances.offset, 0x09a4))",
        "success := and(success, eq(calldatasize(), add(0x09a4, mul(0x20, instances.length))))",
    ]
    assert source.count("proof.offset, 0x64") == 1
    assert source.startswith("// SPDX-License-Identifier: MIT\n")
    assert "// Circuit: abc\n// Note: two lines */\n" in source


def test_nothing_else_changes() -> None:
    original = generated()
    hardened = verifier.harden(original, LENGTH, {})
    changed = ((verifier._LAGRANGE_COUNT, verifier._FRACTION), (verifier._INVERSION, verifier._FRACTION_INVERSION))
    for old, new in (*changed, (verifier._EVALUATION, verifier._FRACTION_EVALUATION)):
        assert hardened.count(new) == 1
        hardened = hardened.replace(new, old)
    kept = [line for line in hardened.splitlines() if line in original.splitlines()]
    assert [line for line in kept if line.strip()] == [line for line in original.splitlines() if line.strip()]


@pytest.mark.parametrize("count", [1, 2, 19, 289])
def test_the_fraction_is_the_evaluation_of_the_instances(count: int) -> None:
    """The check uses the Lagrange polynomials of the domain, at points outside of it."""
    order, log_n = FIELD_MODULUS, 10
    omega = pow(pow(7, (order - 1) >> 28, order), 1 << (28 - log_n), order)
    draw = random.Random(count)
    for _ in range(5):
        x, values = draw.randrange(order), [draw.randrange(order) for _ in range(count)]
        common = (pow(x, 1 << log_n, order) - 1) * pow(1 << log_n, -1, order)
        powers = [pow(omega, index, order) for index in range(count)]
        expected = sum(
            value * common * power * pow(x - power, -1, order) for value, power in zip(values, powers, strict=True)
        )
        numer, denom = 0, 1
        for value, power in zip(values, powers, strict=True):
            difference = (x - power) % order
            numer = (numer * difference + value * power * denom) % order
            denom = denom * difference % order
        assert common * numer * pow(denom, -1, order) % order == expected % order


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (CHECK, "", "0 times"),
        (CHECK, CHECK + CHECK, "2 times"),
        (CHECK, CHECK.replace("eq(0x0920, proof.length)", "eq(proof.length, 0x0920)"), "0 times"),
        (CHECK, CHECK.replace("0x0920", "0x0900"), "expects proofs of 2304"),
        ("uint256[] calldata instances", "uint256[] memory instances", "signature"),
        ("public returns (bool)", "public view returns (bool)", "signature"),
        ("add(mload(NUM_INSTANCES_MPTR), 6)", "add(mload(NUM_INSTANCES_MPTR), 7)", "evaluates its instances"),
        (verifier._INVERSION, verifier._INVERSION * 2, "2 places"),
        ("mulmod(mload(l_i_cptr), calldataload(instance_cptr), r)", "calldataload(instance_cptr)", "0 places"),
    ],
)
def test_altered_text_is_refused(before: str, after: str, says: str) -> None:
    assert before in generated()
    with pytest.raises(ArtifactError, match=says):
        verifier.harden(generated().replace(before, after), LENGTH, {})


def test_hardening_twice_is_refused() -> None:
    once = verifier.harden(generated(), LENGTH, {})
    with pytest.raises(ArtifactError, match="already"):
        verifier.harden(once, LENGTH, {})


def test_a_proof_of_no_whole_words_is_refused() -> None:
    source = generated().replace("0x0920", "0x0921")
    with pytest.raises(ArtifactError, match="expects"):
        verifier.harden(source, 0x0921, {})


def folding(points: list[int], first: int, end: int) -> str:
    """Return a verifier's text with a key of these points, numbers that stand for both coordinates, and one fold."""
    key = "".join(
        f"                mstore({0x960 + 0x40 * at + shift:#06x}, {point:#066x}) // fixed_comms[{at}].{half}\n"
        for at, point in enumerate(points)
        for half, shift in (("x", 0), ("y", 0x20))
    )
    return key + verifier._FOLD.format(first=first, end=end) + "                    rest\n"


def folded(source: str, points: list[int], zeta: int) -> int:
    """Return what a text's folds make of 1, in numbers instead of points."""
    value, memory = 1, {0x960 + 0x40 * at: point for at, point in enumerate(points)}
    text = source[source.index("                    ") :]
    pattern = (
        r"let mptr := 0x(?P<first>[0-9a-f]+)\n.*?let mptr_end := 0x(?P<end>[0-9a-f]+)\n|"
        r"ec_mul_acc\(success, mulmod\(mload\(ZETA_MPTR\), mload\(ZETA_MPTR\), R\)\)\n"
        r".*?ec_add_acc\(success, mload\(0x(?P<next>[0-9a-f]+)\)"
    )
    for found in re.finditer(pattern, text, re.DOTALL):
        if found["next"]:
            value = value * zeta * zeta + memory[int(found["next"], 16)]
        else:
            for at in range(int(found["first"], 16), int(found["end"], 16), -0x40):
                value = value * zeta + memory[at]
    return value


@pytest.mark.parametrize("nothing", range(6))
@pytest.mark.parametrize("end", [0x920, 0x9A0])
def test_a_commitment_at_infinity_is_stepped_over(nothing: int, end: int) -> None:
    points = [3, 5, 7, 11, 13, 17]
    points[nothing] = 0
    source = folding(points, 0x960 + 0x40 * 5, end)
    stepped = verifier._without_nothing(source)
    assert folded(stepped, points, 1_000) == folded(source, points, 1_000)
    last = (end + 0x40 - 0x960) // 0x40
    assert (stepped != source) is (nothing > last), "the last of a fold, and one outside of it, stay"
    assert stepped.endswith("rest\n") and stepped.count("fixed_comms") == 12


def test_a_key_without_a_commitment_at_infinity_is_left_alone() -> None:
    source = folding([3, 5, 7], 0x960 + 0x40 * 2, 0x920)
    assert verifier._without_nothing(source) == source


def test_the_ceremony_is_recognised_in_source() -> None:
    assert verifier.is_public_ceremony(generated(CEREMONY_NEG_S_G2))
    assert not verifier.is_public_ceremony(generated(LOCAL))
    almost = (*CEREMONY_NEG_S_G2[:3], CEREMONY_NEG_S_G2[3] ^ 1)
    assert not verifier.is_public_ceremony(generated(almost))


def test_a_source_without_the_constants_is_no_verifier() -> None:
    with pytest.raises(ArtifactError, match="neg_s_g2"):
        verifier.is_public_ceremony("contract Halo2Verifier {}")


def compiled(runtime: bytes, **more: Any) -> dict[str, Any]:
    deployed = {"object": runtime.hex(), "immutableReferences": {}, **more}
    contract = {"abi": [], "evm": {"bytecode": {"object": "00"}, "deployedBytecode": deployed}}
    return {"contracts": {verifier.SOURCE_NAME: {verifier.CONTRACT: contract}}}


def test_code_that_fits_is_taken() -> None:
    taken = verifier.compile_verifier("", lambda request: compiled(b"\x01" * verifier.MAX_RUNTIME_BYTES))
    assert taken.runtime == b"\x01" * 24_576
    assert taken.code_hash == keccak(taken.runtime)


@pytest.mark.parametrize("size", [0, verifier.MAX_RUNTIME_BYTES + 1])
def test_code_that_no_chain_takes_is_refused(size: int) -> None:
    with pytest.raises(ArtifactError, match="EIP-170" if size else "no code"):
        verifier.compile_verifier("", lambda request: compiled(b"\x01" * size))


def test_code_that_is_too_large_optimised_for_speed_is_optimised_for_size() -> None:
    def solc(request: dict[str, Any]) -> dict[str, Any]:
        large = request["settings"]["optimizer"]["runs"] > 200
        return compiled(b"\x01" * (verifier.MAX_RUNTIME_BYTES + large))

    assert len(verifier.compile_verifier("", solc).runtime) == verifier.MAX_RUNTIME_BYTES


def test_code_that_never_fitted_when_optimised_for_speed_is_compiled_once() -> None:
    asked: list[int] = []

    def solc(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request["settings"]["optimizer"]["runs"])
        return compiled(b"\x01")

    statements = "    let a := 1\n"
    for count, runs in ((495, 1_000_000), (569, 1_000_000), (570, 200), (579, 200)):
        verifier.compile_verifier(statements * count, solc)
        # Comments change nothing: whoever makes the code again has another header.
        verifier.compile_verifier("// let a\n/* let */ \n" * 600 + statements * count, solc)
        assert asked == [runs, runs]
        asked.clear()


def test_compiler_errors_are_told() -> None:
    error = {"severity": "error", "formattedMessage": "ParserError: expected ;"}
    with pytest.raises(CompileError, match="expected ;"):
        verifier.compile_verifier("", lambda request: {"errors": [error]})


@pytest.mark.parametrize("output", [{}, {"contracts": {}}, compiled(b"\x01", object="zz")])
def test_a_strange_answer_is_an_error(output: dict[str, Any]) -> None:
    with pytest.raises(CompileError, match="no contract"):
        verifier.compile_verifier("", lambda request: output)


def test_immutables_are_refused() -> None:
    with pytest.raises(CompileError, match="immutables"):
        verifier.compile_verifier("", lambda request: compiled(b"\x01", immutableReferences={"5": []}))


def test_comments_do_not_change_the_compilers_settings() -> None:
    metadata = verifier.standard_input("x", 200)["settings"]["metadata"]
    assert metadata == {"bytecodeHash": "none", "appendCBOR": False}
