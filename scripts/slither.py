"""Run slither on contracts/src.

slither.config.json has its settings, and under `reasons` each detector that is left out, with the reason. A single
finding is explained in its source: `// slither-disable-next-line detector -- reason`.

Slither reads syntax trees. To build the contracts for it would take a minute, so it gets the trees alone.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from oracle.chain.local import toolchain
from oracle.chain.local.contracts import deployed_profile, with_imports
from oracle.chain.local.solc import compile_standard
from oracle.core.errors import OracleError
from scripts.bootstrap import Bootstrap

SOURCES = "contracts/src"

_DISABLED = re.compile(r"^\s*//\s*slither-disable-(?!end)\S*[ \t]*(.*)$", re.MULTILINE)
_EXPLAINED = re.compile(r"[a-z0-9,-]+ -- \S")


class Unexplained(OracleError):
    """A check is left out of the analysis without a reason."""


def settings(root: Path) -> dict[str, Any]:
    """Return slither's own settings, from slither.config.json.

    Raises:
        Unexplained: A detector is left out without a reason.
    """
    found: dict[str, Any] = json.loads((root / "slither.config.json").read_text(encoding="utf-8"))
    reasons: dict[str, str] = found.pop("reasons", {})
    if "detectors_to_exclude" in found or not all(reason.strip() for reason in reasons.values()):
        raise Unexplained("slither.config.json: a detector is left out by an entry with its reason under `reasons`")
    return found | {"detectors_to_exclude": ",".join(sorted(reasons))}


def check_comments(name: str, text: str) -> None:
    """Check that each finding disabled in a source has its detector's name and a reason.

    Raises:
        Unexplained: One lacks it.
    """
    for comment in _DISABLED.findall(text):
        if not _EXPLAINED.match(comment):
            raise Unexplained(f"{name}: `slither-disable… {comment}` lacks ` -- ` and a reason")


def build_info(root: Path) -> dict[str, Any]:
    """Return the syntax trees of all sources, in the form of forge's builds.

    Raises:
        CompileError: The compiler refused.
        ToolMissing: There is no compiler.
        Unexplained: See `check_comments`.
    """
    profile = deployed_profile(root)
    remappings = [tuple(each.split("=", 1)) for each in profile["remappings"]]
    files = [path.relative_to(root).as_posix() for path in sorted((root / SOURCES).rglob("*.sol"))]
    for file in files:
        check_comments(file, (root / file).read_text(encoding="utf-8"))
    sources = with_imports(root, files, remappings)
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": {
            "evmVersion": profile["evm_version"],
            "remappings": profile["remappings"],
            "outputSelection": {"*": {"": ["ast"], "*": ["abi", "devdoc", "userdoc"]}},
        },
    }
    output = compile_standard(request, profile["solc"])
    empty = {"object": "", "sourceMap": ""}
    for contracts in output["contracts"].values():
        for contract in contracts.values():
            contract["evm"] = {"bytecode": empty, "deployedBytecode": empty}
    return {"solcVersion": profile["solc"], "input": request, "output": output}


def main(arguments: list[str]) -> int:
    """Run slither with these further arguments; return its exit code: not 0 if it found anything."""
    root = toolchain.project_root()
    folder = toolchain.build_dir() / "slither"
    try:
        config, info = settings(root), build_info(root)
        forge = toolchain.forge().path
    except OracleError as error:
        print(f"slither: error: {error}", file=sys.stderr)
        return 2
    (folder / "build-info").mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "build-info" / "contracts.json").write_text(json.dumps(info), encoding="utf-8")
    program = Bootstrap(root).checker_python("slither").with_name("slither")
    command = [program, ".", "--config-file", folder / "config.json"]
    command += ["--foundry-ignore-compile", "--foundry-build-info-directory", folder / "build-info"]
    # It asks forge for the project's settings.
    environment = {**os.environ, "PATH": f"{forge.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    return subprocess.run([*map(str, command), *arguments], cwd=root, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
