"""A solc that stays for a worker's whole run: it is loaded once, and not for each of the verifiers that tests compile.

npm's solc takes 0.4 CPU seconds to load, and as long again until what a verifier needs of it is compiled to machine
code; the verifier itself takes 0.3. One instance may compile one input after the other: so do Remix and Hardhat.
Nothing but a success is taken from it. A refusal, and whatever goes wrong, is left to a process of its own, as users
run it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.local import solc as solc_module
from oracle.chain.local import toolchain

Compile = Callable[[dict[str, Any], str], dict[str, Any]]

ALONE: Compile = solc_module._compile
"""Compiles in a process of its own, as the product does."""

_SERVER = Path(__file__).with_suffix(".cjs")


class StayingSolc:
    """The compiler of verifiers as a process that answers many requests; any other release compiles alone."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        # Verifiers are compiled in threads, too.
        self._turn = threading.Lock()

    def compile(self, request: dict[str, Any], version: str) -> dict[str, Any]:
        """Compile as `oracle.chain.local.solc` does, errors included."""
        # A forked child must not read its parent's answers; and a test may have put another compiler in place.
        is_npms = version == toolchain.VERIFIER_SOLC and solc_module.solc(version).with_name("solc.cjs").is_file()
        if os.getpid() == self._owner and is_npms:
            with self._turn:
                output = self._answer(json.dumps(request).encode(), version)
            if output is not None and all(each.get("severity") != "error" for each in output.get("errors", [])):
                return output
        return ALONE(request, version)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Compile with it whatever the product compiles in this process."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(solc_module, "_compile", self.compile)
            yield
        self.close()

    def _answer(self, line: bytes, version: str) -> dict[str, Any] | None:
        """Return the compiler's output; None: the process gave none, and is gone."""
        try:
            process = self._running(version)
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            output: dict[str, Any] = json.loads(process.stdout.read(int(process.stdout.readline())))
        except (OSError, ValueError):
            self.close()
            return None
        except BaseException:  # interrupted: the answer to this request would be taken for one to the next
            self.close()
            raise
        return output

    def _running(self, version: str) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            command = [str(toolchain.node().path), str(_SERVER), str(toolchain.npm_solc(version).path)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._process
