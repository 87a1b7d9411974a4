"""Write docs/errors.md: the errors of the contracts by their selectors, and those of the Python package.

    python -m scripts.error_reference

Run it after every change of an error; `tests/unit/docs/test_error_reference.py` fails until then.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path

from eth_utils.abi import abi_to_signature
from eth_utils.crypto import keccak

from oracle.core import errors
from oracle.core.errors import OracleError
from scripts.contract_reference import interfaces, plain

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "errors.md"
ABIS = ROOT / "oracle" / "chain" / "abi"

_HEAD = """# Errors

This page is made from the code by `python -m scripts.error_reference`.

## Of the contracts

By their selectors, the first four bytes of what a call reverts with. `oracle` and the TypeScript client decode them.
[Solidity interfaces](solidity.md) has them by contract, those of a submission in the order of the checks.

| selector | error | of | meaning |
| --- | --- | --- | --- |
"""

_PYTHON = """
## Of the command line and of Python

Each is a class in `oracle.core.errors`. A name that is indented is a kind of the one above it. A `Retryable` may pass
by itself; after a `Fatal` a person has to change something. [Commands](cli.md#exit-codes) says what the exit codes
mean.

| error | exit code | meaning |
| --- | --: | --- |
"""

BREAK = plain("<br>")

_LIBRARY = "Of OpenZeppelin's contracts."


def page() -> str:
    """Return the page."""
    return "".join([_HEAD, *_contracts(), _PYTHON, *_classes(OracleError, 0)])


def _contracts() -> Iterator[str]:
    """Yield a row for each error that a contract can raise, in the order of their selectors."""
    rows: dict[str, tuple[str, list[str], list[str]]] = {}
    for interface in interfaces():
        for each in interface.declarations:
            if each.kind == "ErrorDefinition":
                code = " ".join(each.code.removeprefix("error ").rstrip(";").split())
                _, of, meanings = rows.setdefault(each.selector, (code, [], []))
                of.append(interface.name)
                meanings += [said for said in [" ".join(each.natspec.text)] if said not in meanings]
    for path in sorted(ABIS.glob("*.json")):
        for entry in json.loads(path.read_text(encoding="utf-8"))["abi"]:
            if entry["type"] == "error":
                selector = f"0x{keccak(text=abi_to_signature(entry))[:4].hex()}"
                inputs = ", ".join(f"{each['type']} {each['name']}".strip() for each in entry["inputs"])
                _, of, meanings = rows.setdefault(selector, (f"{entry['name']}({inputs})", [], [_LIBRARY]))
                if meanings == [_LIBRARY]:
                    of.append(path.stem)
    for selector, (code, of, meanings) in sorted(rows.items()):
        names = ", ".join(f"`{each}`" for each in of)
        # Where contracts mean different things by one error, each says so in the order of their names.
        yield f"| `{selector}` | `{code}` | {names} | {plain('<br>'.join(meanings)).replace(BREAK, '<br>')} |\n"


def _classes(kind: type[OracleError], depth: int) -> Iterator[str]:
    """Yield a row for an error, and for each kind of it, in the order of the source."""
    paragraph = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())
    yield f"| {'&emsp;' * depth}`{kind.__name__}` | {kind.exit_code} | {paragraph} |\n"
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, OracleError) and kind in each.__bases__:
            yield from _classes(each, depth + 1)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
