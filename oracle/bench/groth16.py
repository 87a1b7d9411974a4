"""Hand-written Groth16 circuits of detectors, for comparison: their tools, a local ceremony, a warm prover.

The tools are pinned in `contracts/bench/groth16`, with the hash of each package. They are installed when a benchmark
asks for them, into `build`, and nothing else uses them. The ceremony is made by this machine alone, so whoever has its
randomness can prove anything. Its keys stay in `build`, too.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock

from oracle.bench.commands import output_of
from oracle.bench.rivals import Groth16Rival
from oracle.bench.transactions import compiled_text
from oracle.chain.local import toolchain
from oracle.core.documents import parse_json, read_json
from oracle.core.errors import Fatal, ToolMissing
from oracle.detectors.interface import Detector

Echo = Callable[[str], None]

CONTRACT = "Groth16Verifier"
HELD_AT = 2
"""The witness begins with 1, then come the outputs: the weights' hash, and the verdict."""

_PINS = ("package.json", "package-lock.json")
_SCRIPT = "groth16.mjs"


@dataclass(frozen=True)
class Groth16Circuit:
    """A circuit with its keys.

    Attributes:
        folder: The folder of its files.
        facts: The number of constraints, the power of two of its ceremony, and the seconds of its set-up.
        abi: The verifier's ABI.
        bytecode: The verifier's creation code.
        runtime_bytes: The size of the verifier's code.
    """

    folder: Path
    facts: Mapping[str, Any]
    abi: Any
    bytecode: bytes
    runtime_bytes: int


@dataclass(frozen=True)
class Groth16Proof:
    """A proof, made in an honest or in a dishonest way.

    Attributes:
        arguments: The arguments of the contract's `verifyProof`: three points, and what is published.
        published: The weights' hash, the verdict, and the window, as field elements.
        verified: True if snarkjs accepts it.
        seconds: Seconds of witness, proof and verification.
        peak_bytes: The most memory that the prover took so far.
    """

    arguments: tuple[Any, ...]
    published: tuple[int, ...]
    verified: bool
    seconds: Mapping[str, float]
    peak_bytes: int

    @property
    def held(self) -> bool:
        """Return True if the proof says that the model objects."""
        return self.published[1] == 1


def sources() -> Path:
    """Return the folder of the circuit, the script and the pins. Raises: ToolMissing."""
    return toolchain.project_root() / "contracts" / "bench" / "groth16"


def tools_folder() -> Path:
    """Return the folder that the tools are installed in."""
    return toolchain.build_dir() / "groth16"


def tool_versions() -> dict[str, str]:
    """Return the pinned version of each tool."""
    found: dict[str, str] = read_json(sources() / "package.json")["devDependencies"]
    return found


def is_installed() -> bool:
    """Return True if the pinned tools are there."""
    stamp = tools_folder() / ".stamp"
    return stamp.is_file() and stamp.read_text(encoding="ascii") == _digest(*_PINS)


def install(echo: Echo) -> None:
    """Install the pinned tools if they are not there. No package may run a script.

    Raises:
        ToolMissing: There is no Node.js or npm, or npm could not fetch them; the message has its last words.
    """
    folder = tools_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if is_installed():
            return
        echo("groth16: installing circom2, circomlib and snarkjs from npm, for this benchmark only")
        for name in _PINS:
            shutil.copyfile(sources() / name, folder / name)
        options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1"]
        try:
            output_of([*_npm(toolchain.node()), *options], folder)
        except Fatal as error:
            raise ToolMissing(
                f"npm can't install circom2, circomlib and snarkjs: {error}. Check the network connection and npm's "
                "registry settings, or leave out the cases groth16-*"
            ) from error
        (folder / ".stamp").write_text(_digest(*_PINS), encoding="ascii")


def _npm(node: toolchain.Tool) -> list[str]:
    on_path = shutil.which("npm")
    if node.origin == "PATH" and on_path is not None:
        return [on_path]
    script = node.path.resolve().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not script.is_file():
        raise ToolMissing(f"npm is missing beside {node.path}: install Node.js with npm, and put both on the PATH")
    return [str(node.path), str(script)]


def build(rival: Groth16Rival, model: Detector, echo: Echo) -> Groth16Circuit:
    """Compile a circuit for a model's number of weights and scale, and make keys for it; or find them.

    Args:
        rival: The circuit.
        model: The circuit takes any weights, as many and as large as these.
        echo: Takes lines for people.

    Raises:
        ToolMissing: A tool is not installed; see `install`.
        Fatal: A step failed, or the model's scores are too large for a circuit of verdicts.
    """
    main = rival.main(model)
    folder = tools_folder() / _digest(*_PINS, rival.file, _SCRIPT, more=main)[:16]
    with FileLock(tools_folder() / ".lock"):
        if not (folder / "built.json").is_file():
            echo("groth16: compiling the circuit, then a local ceremony, which is insecure")
            began = time.perf_counter()
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            (folder / "circuit.circom").write_text(main, encoding="utf-8")
            shutil.copyfile(sources() / rival.file, folder / rival.file)
            node, compiler = str(toolchain.node().path), tools_folder() / "node_modules" / "circom2" / "cli.js"
            # circom2 opens only files below its working folder.
            options = ["--r1cs", "--wasm", "--O2", "-l", "node_modules", "-o", folder.name]
            output_of([node, str(compiler), f"{folder.name}/circuit.circom", *options], tools_folder())
            output_of([node, str(sources() / _SCRIPT), "setup", str(tools_folder()), str(folder)], folder)
            facts = read_json(folder / "facts.json")
            facts["setup_s"] = round(time.perf_counter() - began, 2)
            (folder / "built.json").write_text(json.dumps(facts), encoding="utf-8")
    abi, bytecode, runtime_bytes = compiled_text((folder / "Verifier.sol").read_text(encoding="utf-8"), CONTRACT)
    facts = read_json(folder / "built.json")
    return Groth16Circuit(folder, facts, abi, bytecode, runtime_bytes)


class Groth16Prover:
    """A warm snarkjs in a process of its own."""

    def __init__(self, circuit: Groth16Circuit) -> None:
        self._folder = circuit.folder
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        command = [str(toolchain.node().path), str(sources() / _SCRIPT), "prove", str(tools_folder())]
        with (self._folder / "prover.log").open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [*command, str(self._folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            with self._process as process:
                process.kill()

    def prove(
        self, secrets: Mapping[str, Any], window: Sequence[int], instead: Mapping[int, int] | None = None
    ) -> Groth16Proof:
        """Prove the verdict of hidden weights on a window.

        Args:
            secrets: The circuit's hidden inputs, by name; see `Groth16Rival.secrets`.
            window: The features.
            instead: Values of the witness that are replaced before the proof, by index: what a dishonest prover does.

        Raises:
            Fatal: There is no witness or no proof, or the process has ended.
        """
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        request: dict[str, Any] = {name: _decimal(value) for name, value in {**secrets, "window": window}.items()}
        if instead:
            request["instead"] = {str(index): str(value) for index, value in instead.items()}
        line = ""
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            pass
        if not line:
            said = (self._folder / "prover.log").read_text(encoding="utf-8").strip().splitlines()[-4:]
            raise Fatal(f"snarkjs has ended: {' | '.join(said) or 'without a word'}")
        found = parse_json(line)
        if "error" in found:
            raise Fatal(f"snarkjs makes no proof of window {list(window)}: {found['error']}")
        return Groth16Proof(
            tuple(_integers(found["arguments"])),
            tuple(int(element) for element in found["published"]),
            bool(found["verified"]),
            found["seconds"],
            int(found["peakBytes"]),
        )


def _decimal(value: Any) -> Any:
    """Return an integer, or each of a sequence, as decimal text: JavaScript's numbers are too small."""
    return str(value) if isinstance(value, int) else [str(each) for each in value]


def _integers(nested: Any) -> Any:
    """Return nested lists of hexadecimal text as nested lists of integers."""
    return [_integers(each) for each in nested] if isinstance(nested, list) else int(nested, 16)


def _digest(*names: str, more: str = "") -> str:
    state = hashlib.sha256(more.encode())
    for name in names:
        state.update((sources() / name).read_bytes())
    return state.hexdigest()
