"""Write the ABIs that the npm package carries: `npm/contracts/abi/*.json`, and `npm/contracts/abi.js` with its types.

Run it after `python -m scripts.export_abi`; `tests/unit/scripts/test_npm_abi.py` fails until then. The types are
written out, so the package needs no build, and TypeScript infers arguments and results from them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oracle.chain.compiled import packaged
from oracle.chain.local import contracts, toolchain
from oracle.chain.local.solc import compile_standard

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "npm" / "contracts"

INTERFACES: Mapping[str, str] = {
    "AggregatorV2V3Interface": "contracts/src/interfaces/AggregatorV2V3Interface.sol",
    "IHalo2Verifier": "contracts/src/interfaces/IHalo2Verifier.sol",
}
"""Interfaces of contracts that are not ours to deploy, or are generated, by name, with the file of each."""

Abi = Sequence[Mapping[str, Any]]

HEADER = "// Written by scripts/npm_abi.py from the compiled contracts.\n"


def abis() -> dict[str, Abi]:
    """Return all ABIs by the contract's name, sorted. Raises: CompileError, DeploymentError, ToolMissing."""
    deployed: dict[str, Abi] = {name: contract.abi for name, contract in packaged().items() if contract.abi}
    return dict(sorted((deployed | _interfaces()).items()))


def files() -> dict[str, str]:
    """Return the files that hold the ABIs, by path below the package: their texts."""
    found = abis()
    texts = {f"abi/{name}.json": _array(abi) + "\n" for name, abi in found.items()}
    code = [f"export const {constant(name)} = {_array(abi)};\n" for name, abi in found.items()]
    types = [
        f"/** The ABI of `{name}`. */\nexport declare const {constant(name)}: {_type(abi)};\n"
        for name, abi in found.items()
    ]
    return texts | {"abi.js": HEADER + "\n".join(code), "abi.d.ts": HEADER + "\n".join(types)}


def constant(name: str) -> str:
    """Return the name of the constant that holds a contract's ABI: "zkOracleAbi" for "ZkOracle", without an "I"."""
    bare = re.sub(r"^I(?=[A-Z])", "", name)
    return f"{bare[0].lower()}{bare[1:]}Abi"


def main() -> None:
    """Write the files, and remove the ABI of a contract that is gone."""
    texts = files()
    (FOLDER / "abi").mkdir(exist_ok=True)
    for old in FOLDER.glob("abi/*.json"):
        if old.relative_to(FOLDER).as_posix() not in texts:
            old.unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


# --- details ------------------------------------------------------------------------------------------------


def _interfaces() -> dict[str, Abi]:
    root = toolchain.project_root(ROOT)
    request = {
        "language": "Solidity",
        "sources": {
            name: {"content": text} for name, text in contracts.with_imports(root, INTERFACES.values(), []).items()
        },
        "settings": {"outputSelection": {"*": {"*": ["abi"]}}},
    }
    output = compile_standard(request, toolchain.contracts_solc_version(root))
    return {name: output["contracts"][file][name]["abi"] for name, file in INTERFACES.items()}


def _array(abi: Abi) -> str:
    """Return an ABI as JSON, an entry a line: a change shows as the lines of what changed."""
    return "[\n" + ",\n".join(f"  {json.dumps(entry)}" for entry in abi) + "\n]"


def _type(abi: Abi) -> str:
    return "readonly [\n" + ",\n".join(f"  {_literal(entry)}" for entry in abi) + "\n]"


def _literal(value: Any) -> str:
    """Return the TypeScript type of exactly this value."""
    if isinstance(value, Mapping):
        return "{ " + "; ".join(f"readonly {key}: {_literal(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"readonly [{', '.join(_literal(each) for each in value)}]"
    return json.dumps(value)


if __name__ == "__main__":
    main()
