"""Compile the contracts, and write the files that the package carries of them: `oracle/chain/abi/*.json`.

Run it after every change below `contracts/src`; `tests/contracts/test_abi.py` fails until then.
"""

from __future__ import annotations

import json
from pathlib import Path

from oracle.chain.compiled import to_json
from oracle.chain.local.contracts import compile_contracts

FOLDER = Path(__file__).resolve().parent.parent / "oracle" / "chain" / "abi"


def main() -> None:
    """Write one file per contract."""
    FOLDER.mkdir(exist_ok=True)
    for name, contract in compile_contracts().items():
        text = json.dumps(to_json(contract), indent=1) + "\n"
        # Replaced in one step: whoever reads the file meanwhile gets the old text or the new one.
        written = FOLDER / f".{name}.json.new"
        written.write_text(text, encoding="utf-8")
        written.replace(FOLDER / f"{name}.json")


if __name__ == "__main__":
    main()
