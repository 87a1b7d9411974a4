"""The calls to ezkl. This module alone imports it, and runs in a child process: ezkl can panic, abort and hold the GIL.

Every function takes paths and plain values, and returns plain values: they travel as JSON lines (`worker.py`). The
imports are few on purpose: each proving process keeps in memory whatever this module imports.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ezkl

from oracle.core.encoding import FIELD_MODULUS, from_field


class EngineError(Exception):
    """ezkl refused; the message has ezkl's own words."""


def gen_settings(model: str, settings: str, run_args: Mapping[str, Any]) -> dict[str, Any]:
    """Write the circuit's settings and return them.

    Args:
        model: The ONNX file.
        settings: The file to write.
        run_args: Attributes of ezkl's `PyRunArgs`.
    """
    arguments = ezkl.PyRunArgs()
    for name, value in run_args.items():
        if not hasattr(arguments, name):
            raise EngineError(f"this ezkl has no run argument {name!r}")
        setattr(arguments, name, tuple(value) if isinstance(value, list) else value)
    _check("gen_settings", ezkl.gen_settings(model, settings, py_run_args=arguments))
    written: dict[str, Any] = json.loads(Path(settings).read_text())
    return written


def calibrate_settings(
    model: str, settings: str, windows: list[list[float]] | list[list[list[float]]], target: str
) -> dict[str, Any]:
    """Let ezkl choose scales and logrows from sample inputs, as its documentation proposes, and return the settings.

    The default model needs no calibration: the benchmark compares it with this.

    Args:
        model: The ONNX file.
        settings: The file to change.
        windows: Inputs of the circuit, one after the other; a list for each input of a circuit that has several.
        target: "resources" or "accuracy".

    Raises:
        EngineError: No scales that ezkl tries fit the samples. The message has the reasons, which ezkl only prints.
    """
    with _scratch() as folder:
        data = Path(folder, "calibration.json")
        data.write_text(json.dumps({"input_data": _joined(windows)}))
        with _captured(Path(folder, "printed")) as printed:
            try:
                # ezkl's stub has no default values; the function has.
                calibrated = ezkl.calibrate_settings(str(data), model, settings, target)  # type: ignore[call-arg]
                _check("calibrate_settings", calibrated)
                refusal = ""
            except RuntimeError as error:
                refusal = str(error)
        if refusal:
            reasons = [line.strip() for line in printed() if "reason:" in line]
            raise EngineError("; ".join([refusal, *reasons[-2:]]))
    written: dict[str, Any] = json.loads(Path(settings).read_text())
    return written


def compile_circuit(model: str, circuit: str, settings: str) -> None:
    """Write the compiled circuit."""
    _check("compile_circuit", ezkl.compile_circuit(model, circuit, settings))


def gen_srs(srs: str, logrows: int) -> None:
    """Write an SRS whose secret this process drew: for tests and local chains only."""
    ezkl.gen_srs(srs, logrows)


def setup(circuit: str, vk: str, pk: str, srs: str) -> None:
    """Write the verifying key and the proving key."""
    _check("setup", ezkl.setup(circuit, vk, pk, srs, None, False))


def create_verifier(vk: str, settings: str, srs: str, source: str) -> None:
    """Write the Solidity verifier.

    ezkl writes the source and then asks a compiler for its ABI, downloading one if it finds none. We compile the
    hardened source ourselves and need only the source from ezkl. So ezkl gets a home of its own, in which the compiler
    that it finds refuses at once. Call this once per process: ezkl remembers where it found the compiler.
    """
    # Loading asyncio takes as long as all other imports of this module, and most processes write no verifier.
    import asyncio

    with tempfile.TemporaryDirectory(prefix="oracle-engine-") as folder:
        compiler = Path(folder, ".svm", "0.8.20", "solc-0.8.20")
        compiler.parent.mkdir(parents=True)
        compiler.write_text("#!/bin/sh\nexit 1\n")
        compiler.chmod(0o700)
        written = Path(folder, "Verifier.sol")

        async def create() -> None:
            await ezkl.create_evm_verifier(vk, settings, str(written), str(Path(folder, "abi.json")), srs, False)

        home = os.environ.get("HOME")
        os.environ["HOME"] = folder
        refusal = ""
        try:
            asyncio.run(create())
        except RuntimeError as error:
            refusal = str(error)
        finally:
            if home is None:
                del os.environ["HOME"]
            else:
                os.environ["HOME"] = home
        if not written.is_file() or "solc" not in refusal:
            raise EngineError(f"create_evm_verifier wrote no verifier: {refusal or 'no error was given'}")
        Path(source).write_bytes(written.read_bytes())


def witness(circuit: str, inputs: list[int] | list[list[int]]) -> dict[str, Any]:
    """Run the circuit without proving it.

    Args:
        circuit: The compiled circuit.
        inputs: All windows, flattened; a list for each input of a circuit that has several.

    Returns:
        `outputs`: signed integers, flattened; `model_hash`: field element as hex, or None.
    """
    with _scratch() as folder:
        written = _witness(folder, circuit, inputs)
    hashes = (written.get("processed_params") or {}).get("poseidon_hash") or []
    return {
        "outputs": [_signed(element) for row in written["outputs"] for element in row],
        "model_hash": hex(_element(hashes[0])) if hashes else None,
    }


def prove(
    circuit: str,
    settings: str,
    vk: str,
    pk: str,
    srs: str,
    inputs: list[int] | list[list[int]],
    outputs: list[int] | None = None,
) -> dict[str, Any]:
    """Prove one statement, and verify the proof.

    Args:
        circuit: The compiled circuit.
        settings: The circuit's settings.
        vk: The verifying key.
        pk: The proving key.
        srs: The SRS.
        inputs: All windows, flattened; a list for each input of a circuit that has several.
        outputs: The expected outputs. If the witness disagrees, nothing is proven: it would be wasted.

    Returns:
        `proof` as hex, `instances` as hex, `outputs`, `verified`, and the seconds that each step took. If the witness
        disagrees, only `outputs`.
    """
    with _scratch() as folder:
        began = time.perf_counter()
        written = _witness(folder, circuit, inputs)
        computed = [_signed(element) for row in written["outputs"] for element in row]
        if outputs is not None and computed != outputs:
            return {"outputs": computed}
        witnessed = time.perf_counter()
        proof = str(Path(folder, "proof.json"))
        _check("prove", ezkl.prove(str(Path(folder, "witness.json")), circuit, pk, proof, srs))
        proven = time.perf_counter()
        verified = bool(ezkl.verify(proof, settings, vk, srs, False))
        document = json.loads(Path(proof).read_text())
        return {
            "proof": document["hex_proof"].removeprefix("0x"),
            "instances": [hex(_element(element)) for element in document["instances"][0]],
            "outputs": computed,
            "verified": verified,
            "seconds": {
                "witness": witnessed - began,
                "prove": proven - witnessed,
                "verify": time.perf_counter() - proven,
            },
        }


def poseidon(vectors: list[list[int]]) -> list[str]:
    """Return the hash of each vector, as circuits publish it: field elements as hex."""
    return [
        hex(_element(ezkl.poseidon_hash([_little_endian(value % FIELD_MODULUS) for value in vector])[0]))
        for vector in vectors
    ]


def verify(settings: str, vk: str, srs: str, proof: str, instances: list[str]) -> dict[str, Any]:
    """Verify a proof against instances.

    Args:
        settings: The circuit's settings.
        vk: The verifying key.
        srs: The SRS.
        proof: Hex, without prefix. ezkl accepts trailing bytes, so the caller checks the length.
        instances: Field elements as hex.

    Returns:
        `verified`, and ezkl's `reason` if it refused with one.
    """
    values = [int(element, 16) for element in instances]
    if any(not 0 <= value < FIELD_MODULUS for value in values):
        return {"verified": False, "reason": "an instance is not a reduced field element"}
    with _scratch() as folder:
        path = Path(folder, "proof.json")
        document = {
            "protocol": None,
            "instances": [[_little_endian(value) for value in values]],
            "proof": list(bytes.fromhex(proof)),
            "hex_proof": "0x" + proof,
            "split": None,
            "pretty_public_inputs": None,
            "timestamp": None,
            "version": None,
        }
        path.write_text(json.dumps(document))
        try:
            return {"verified": bool(ezkl.verify(str(path), settings, vk, srs, False)), "reason": None}
        except RuntimeError as error:
            return {"verified": False, "reason": str(error)}


def peak_memory() -> dict[str, Any]:
    """Return the largest resident size of this process so far, in bytes; None where the platform does not tell."""
    # Linux's ru_maxrss includes the parent's memory, from before this process replaced it; VmHWM starts afresh.
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return {"bytes": int(line.split()[1]) * 1024}
    try:
        # Not on every platform.
        import resource
    except ImportError:
        return {"bytes": None}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"bytes": peak if sys.platform == "darwin" else peak * 1024}


OPERATIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        gen_settings,
        calibrate_settings,
        compile_circuit,
        gen_srs,
        setup,
        create_verifier,
        witness,
        prove,
        poseidon,
        verify,
        peak_memory,
    )
}


def _witness(folder: str, circuit: str, inputs: list[int] | list[list[int]]) -> dict[str, Any]:
    data, target = Path(folder, "input.json"), Path(folder, "witness.json")
    # ezkl reads every number as a 32-bit float, which is exact for integers up to 2^24. Larger ones are given as field
    # elements, which no scale changes.
    several = [each for each in inputs if isinstance(each, list)]
    tensors = several or [[each for each in inputs if not isinstance(each, list)]]
    exact = [[float(v) if abs(v) <= 1 << 24 else _little_endian(v % FIELD_MODULUS) for v in each] for each in tensors]
    data.write_text(json.dumps({"input_data": exact}))
    ezkl.gen_witness(str(data), circuit, str(target), None, None)
    written: dict[str, Any] = json.loads(target.read_text())
    return written


def _joined(windows: list[list[float]] | list[list[list[float]]]) -> list[list[float]]:
    """Return windows one after the other, for each input of the circuit."""
    inputs = [[each] if not isinstance(each[0], list) else each for each in windows]
    return [[float(value) for tensor in tensors for value in tensor] for tensors in zip(*inputs, strict=True)]


@contextlib.contextmanager
def _captured(path: Path) -> Iterator[Callable[[], list[str]]]:
    """Redirect this process's outputs to a file, those of native code too, which Python's own redirection misses."""
    kept = [os.dup(1), os.dup(2)]
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        yield lambda: path.read_text(errors="replace").splitlines()
    finally:
        for number, descriptor in zip((1, 2), kept, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.close(target)


def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="oracle-engine-")


def _element(little_endian: str) -> int:
    return int.from_bytes(bytes.fromhex(little_endian), "little")


def _little_endian(element: int) -> str:
    return element.to_bytes(32, "little").hex()


def _signed(little_endian: str) -> int:
    return from_field(_element(little_endian))


def _check(step: str, succeeded: object) -> None:
    if succeeded is False:
        raise EngineError(f"{step} returned false without a reason")
