"""The Solidity verifier that ezkl generates: it is hardened, made cheaper, compiled, and recognised by its SRS.

The generated code reads its arguments at fixed calldata positions, so its soundness depends on canonical ABI encoding.
The hardening makes the code check that encoding itself. Other changes make the verification cheaper where a feed pays
most. A change is made only if the text in its place is exactly the text that the change was written for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from oracle.core.errors import ArtifactError, CompileError
from oracle.core.formats import keccak
from oracle.proving.srs.ceremony import CEREMONY_NEG_S_G2

HARDENING_VERSION = 3
SOLC_VERSION = "0.8.20"
CONTRACT = "Halo2Verifier"
SOURCE_NAME = "Verifier.sol"
MAX_RUNTIME_BYTES = 24_576
"""The most code that a chain takes (EIP-170)."""

_LENGTH_CHECK = re.compile(
    r"^(?P<indent>[ ]*)success := and\(success, eq\(0x(?P<length>[0-9a-f]+), proof\.length\)\)\n", re.MULTILINE
)
_NEG_S_G2 = re.compile(
    r"mstore\(0x[0-9a-f]+, 0x(?P<value>[0-9a-f]{64})\) // neg_s_g2_(?P<name>[xy]_[12])$", re.MULTILINE
)
# Evaluation of the instances at the challenge x: Σ vᵢ·Lᵢ(x), with Lᵢ(x) = (xⁿ − 1)/n · ωⁱ/(x − ωⁱ). The generated code
# keeps a word for each x − ωⁱ and inverts them all; a feed has 18 instances, at 760 gas each. One fraction that grows
# by a term at a time, a/b + c/d = (ad + bc)/(bd), needs one inversion for all of them, at 300 gas each.
_LAGRANGE_COUNT = """                let mptr_end := add(mptr, mul(0x20, add(mload(NUM_INSTANCES_MPTR), 6)))
                if iszero(mload(NUM_INSTANCES_MPTR)) {
                    mptr_end := add(mptr_end, 0x20)
                }
"""
_FRACTION = """                // Only L_{-6} to L_0: the instances are evaluated as one fraction.
                let mptr_end := add(mptr, 0xe0)
                let instance_numer := 0
                let instance_denom := 1
                for
                    {
                        let instance_cptr := instances.offset
                        let instance_cptr_end := add(instance_cptr, mul(0x20, mload(NUM_INSTANCES_MPTR)))
                        let pow_of_omega := 1
                    }
                    lt(instance_cptr, instance_cptr_end)
                    { instance_cptr := add(instance_cptr, 0x20) }
                {
                    let difference := addmod(x, sub(r, pow_of_omega), r)
                    let term := mulmod(mulmod(calldataload(instance_cptr), pow_of_omega, r), instance_denom, r)
                    instance_numer := addmod(mulmod(instance_numer, difference, r), term, r)
                    instance_denom := mulmod(instance_denom, difference, r)
                    pow_of_omega := mulmod(pow_of_omega, omega, r)
                }
"""
_INVERSION = """                mstore(mptr_end, x_n_minus_1)
                success := batch_invert(success, X_N_MPTR, add(mptr_end, 0x20))
"""
_FRACTION_INVERSION = """                mstore(mptr_end, x_n_minus_1)
                mstore(add(mptr_end, 0x20), instance_denom)
                success := batch_invert(success, X_N_MPTR, add(mptr_end, 0x40))
"""
_EVALUATION = """                let instance_eval := 0
                for
                    {
                        let instance_cptr := instances.offset
                        let instance_cptr_end := add(instance_cptr, mul(0x20, mload(NUM_INSTANCES_MPTR)))
                    }
                    lt(instance_cptr, instance_cptr_end)
                    {
                        instance_cptr := add(instance_cptr, 0x20)
                        l_i_cptr := add(l_i_cptr, 0x20)
                    }
                {
                    instance_eval := addmod(instance_eval, mulmod(mload(l_i_cptr), calldataload(instance_cptr), r), r)
                }
"""
_FRACTION_EVALUATION = """                let instance_eval := mulmod(instance_numer, mload(add(mptr_end, 0x20)), r)
                instance_eval := mulmod(l_i_common, instance_eval, r)
"""

# A selector that a circuit does not use leaves a column of zeros, whose commitment is the point at infinity. The code
# multiplies what it has so far by zeta and adds nothing. The two factors around it are one, at 6,300 gas less.
_NOTHING = re.compile(
    r"mstore\(0x(?P<at>[0-9a-f]+), 0x0{64}\) // fixed_comms\[(?P<index>[0-9]+)\]\.x\n"
    r"[ ]*mstore\(0x[0-9a-f]+, 0x0{64}\) // fixed_comms\[(?P=index)\]\.y\n"
)
_FOLD = """                    for
                        {{
                            let mptr := {first:#06x}
                            let mptr_end := {end:#06x}
                        }}
                        lt(mptr_end, mptr)
                        {{ mptr := sub(mptr, 0x40) }}
                    {{
                        success := ec_mul_acc(success, mload(ZETA_MPTR))
                        success := ec_add_acc(success, mload(mptr), mload(add(mptr, 0x20)))
                    }}
"""
_FOLDED = re.compile(
    re.escape(_FOLD.format(first=0xFFFF, end=0xEEEE))
    .replace("0xffff", "0x(?P<first>[0-9a-f]{4})")
    .replace("0xeeee", "0x(?P<end>[0-9a-f]{4})")
)
_STEP_OVER = """                    success := ec_mul_acc(success, mulmod(mload(ZETA_MPTR), mload(ZETA_MPTR), R))
                    success := ec_add_acc(success, mload({next:#06x}), mload({above:#06x}))
"""

_SIGNATURE = """function verifyProof(
        bytes calldata proof,
        uint256[] calldata instances
    ) public returns (bool)"""


@dataclass(frozen=True, slots=True)
class CompiledVerifier:
    """A verifier that can be deployed.

    Attributes:
        abi: The contract's ABI.
        bytecode: Creation code.
        runtime: Deployed code. It has no immutables, so the chain will have exactly this code.
    """

    abi: list[dict[str, Any]]
    bytecode: bytes
    runtime: bytes

    @property
    def code_hash(self) -> bytes:
        """keccak256 of the runtime code, as EXTCODEHASH gives it."""
        return keccak(self.runtime)


def harden(source: str, proof_bytes: int, header: dict[str, str]) -> str:
    """Make the verifier check that its calldata has the layout that its fixed reads assume.

    `proof.offset == 0x64`: selector (4), two heads (0x40), length word (0x20). `instances.offset` follows the proof,
    with its own length word. Any other layout was not encoded by the contract that made the call. The instances are
    also evaluated as one fraction, and a commitment at infinity is stepped over, which cost less gas.

    Args:
        source: The source, as ezkl generated it.
        proof_bytes: The circuit's proof length, which the source must check for.
        header: Comments to write above the source.

    Raises:
        ArtifactError: The source differs from the one that this hardening was written for.
    """
    if _SIGNATURE not in source:
        raise ArtifactError("the generated verifier's verifyProof has another signature than the hub calls")
    checks = list(_LENGTH_CHECK.finditer(source))
    if len(checks) != 1:
        raise ArtifactError(
            f"the generated verifier checks the proof's length {len(checks)} times, not once: it can't be hardened. "
            "This package is written for ezkl 23.0.5"
        )
    if int(checks[0]["length"], 16) != proof_bytes or proof_bytes % 32:
        raise ArtifactError(
            f"the generated verifier expects proofs of {int(checks[0]['length'], 16)} bytes; "
            f"the prover makes {proof_bytes}"
        )
    for reserved in ("calldatasize", "proof.offset, 0x64", "unchecked"):
        if reserved in source:
            raise ArtifactError(f"the generated verifier already contains {reserved!r}: is it hardened, or altered?")
    indent = checks[0]["indent"]
    end = 0x64 + proof_bytes + 0x20
    inserted = (
        f"{indent}// Hardening: canonical ABI encoding only, because calldata is read at fixed positions below.\n"
        f"{indent}success := and(success, eq(proof.offset, 0x64))\n"
        f"{indent}success := and(success, eq(instances.offset, {end:#06x}))\n"
        f"{indent}success := and(success, eq(calldatasize(), add({end:#06x}, mul(0x20, instances.length))))\n"
    )
    at = checks[0].end()
    text = "".join(f"// {name}: {_one_line(value)}\n" for name, value in header.items())
    licence, _, body = source.partition("\n")
    shift = at - len(licence) - 1
    note = f"//\n// Generated; not to be edited. Hardening {HARDENING_VERSION}.\n"
    hardened = f"{licence}\n{note}{text}{body[:shift]}{inserted}{body[shift:]}"
    for old, new in (
        (_LAGRANGE_COUNT, _FRACTION),
        (_INVERSION, _FRACTION_INVERSION),
        (_EVALUATION, _FRACTION_EVALUATION),
    ):
        if hardened.count(old) != 1:
            first = old.strip().splitlines()[0]
            raise ArtifactError(
                f"the generated verifier has {hardened.count(old)} places like {first!r}, not one: it evaluates its "
                "instances in another way than this package knows, which is written for ezkl 23.0.5"
            )
        hardened = hardened.replace(old, new)
    return _without_nothing(hardened)


def _without_nothing(source: str) -> str:
    """Step over the first commitment at infinity that is in the middle of a fold, if there is one."""
    nothing, fold = _NOTHING.search(source), _FOLDED.search(source)
    if nothing is None or fold is None:
        return source
    at, first, end = int(nothing["at"], 16), int(fold["first"], 16), int(fold["end"], 16)
    following = at - 0x40
    if not (end < following and at <= first and (first - at) % 0x40 == 0):
        return source
    before = _FOLD.format(first=first, end=at) if first > at else ""
    step = _STEP_OVER.format(next=following, above=following + 0x20)
    after = _FOLD.format(first=following - 0x40, end=end) if following - 0x40 > end else ""
    return source[: fold.start()] + before + step + after + source[fold.end() :]


OPTIMIZER_RUNS = (1_000_000, 200)
"""A verifier runs often, so it is optimised for many runs, unless its code is then too large to be deployed."""


_LET = re.compile(r"^[^/*\n]*\blet ", re.MULTILINE)
_MANY_LETS = 570
"""Variables of a verifier from which its code for speed is not even tried: with 579 it has 25.6 kB, with 495 it has
23.0. Comments have none, so that a verifier with another header gets the same code."""


class Compiler(Protocol):
    """A compiler of release `SOLC_VERSION`."""

    def require(self) -> None:
        """Make sure that it can run, before the work begins whose end needs it. Raises: ToolMissing."""
        ...

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """Compile Solidity's standard JSON input, and return its output."""
        ...


def standard_input(source: str, runs: int) -> dict[str, Any]:
    """Return the compiler's input. It asks for no metadata, so that comments don't change the code."""
    return {
        "language": "Solidity",
        "sources": {SOURCE_NAME: {"content": source}},
        "settings": {
            "optimizer": {"enabled": True, "runs": runs},
            "metadata": {"bytecodeHash": "none", "appendCBOR": False},
            "evmVersion": "shanghai",
            "outputSelection": {SOURCE_NAME: {CONTRACT: ["abi", "evm.bytecode", "evm.deployedBytecode"]}},
        },
    }


def compile_verifier(source: str, compile_standard: Callable[[dict[str, Any]], dict[str, Any]]) -> CompiledVerifier:
    """Compile a hardened verifier, and check that it can be deployed.

    Raises:
        CompileError: solc refused, or its answer is not a contract.
        ArtifactError: The runtime code is larger than a chain takes.
    """
    is_large = len(_LET.findall(source)) >= _MANY_LETS
    for runs in OPTIMIZER_RUNS[is_large:]:
        compiled = _compiled(compile_standard(standard_input(source, runs)))
        if len(compiled.runtime) <= MAX_RUNTIME_BYTES:
            return compiled
    raise ArtifactError(
        f"the verifier's code is {len(compiled.runtime):,} bytes; a chain takes {MAX_RUNTIME_BYTES:,} (EIP-170). "
        "Use a smaller circuit"
    )


def _compiled(output: dict[str, Any]) -> CompiledVerifier:
    failures = [error for error in output.get("errors", []) if error.get("severity") == "error"]
    if failures:
        raise CompileError(f"the verifier does not compile: {failures[0].get('formattedMessage', failures[0])}")
    try:
        contract = output["contracts"][SOURCE_NAME][CONTRACT]
        deployed = contract["evm"]["deployedBytecode"]
        compiled = CompiledVerifier(
            abi=contract["abi"],
            bytecode=bytes.fromhex(contract["evm"]["bytecode"]["object"]),
            runtime=bytes.fromhex(deployed["object"]),
        )
    except (KeyError, ValueError) as error:
        raise CompileError(f"solc's answer has no contract {CONTRACT}: {error!r}") from error
    if deployed.get("immutableReferences"):
        raise CompileError("the verifier has immutables: its code on-chain would not be the compiled one")
    if not compiled.runtime:
        raise ArtifactError("the verifier has no code")
    return compiled


def is_public_ceremony(source: str) -> bool:
    """Return True if a generated verifier trusts the public ceremony's SRS.

    Raises:
        ArtifactError: The source lacks the SRS's constants.
    """
    found = {match["name"]: int(match["value"], 16) for match in _NEG_S_G2.finditer(source)}
    names = ("x_1", "x_2", "y_1", "y_2")
    if set(found) != set(names):
        raise ArtifactError("this is not a generated verifier: it has no constants neg_s_g2_x_1 to neg_s_g2_y_2")
    return tuple(found[name] for name in names) == CEREMONY_NEG_S_G2


def _one_line(value: str) -> str:
    return " ".join(value.split())
