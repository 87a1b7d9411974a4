"""Write docs/solidity.md from the contracts' interfaces: functions, events, errors with their selectors, NatSpec.

    python -m scripts.contract_reference

Run it after every change of an interface; `tests/unit/docs/test_contract_reference.py` fails until then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.abi import abi_to_signature
from eth_utils.crypto import keccak

from oracle.chain.local.solc import compile_standard, standard_input

ROOT = Path(__file__).resolve().parent.parent
INTERFACES = ROOT / "contracts" / "src" / "interfaces"
PAGE = ROOT / "docs" / "solidity.md"
COMPILER = "0.8.30"

ORDER = (
    "IZkOracle",
    "IZkOracleLens",
    "IZkAggregator",
    "AggregatorV2V3Interface",
    "IZkAggregatorFactory",
    "IZkFeedRegistry",
    "IErc7412",
    "IErc7412Updates",
    "IModelCard",
    "IClaimRegistry",
    "ISplitVerifier",
    "IHalo2Verifier",
)
"""The files of interfaces, in the order of the page."""

_HEAD = """# Solidity interfaces

Everything that the contracts' interfaces declare, with their NatSpec. They compile from Solidity 0.8.20 on.
[Contracts](contracts.md) says how to use them, and what holds; [errors](errors.md) finds an error by its selector.
This page is made from `contracts/src/interfaces` by `python -m scripts.contract_reference`.
"""

_KINDS = {
    "StructDefinition": "Types",
    "EnumDefinition": "Types",
    "UserDefinedValueTypeDefinition": "Types",
    "FunctionDefinition": "Functions",
    "EventDefinition": "Events",
    "ErrorDefinition": "Errors",
}
"""The parts of an interface, by the compiler's names of what they declare."""

_PARTS = ("Functions", "Types", "Events", "Errors")


@dataclass(frozen=True)
class NatSpec:
    """The content of a comment.

    Attributes:
        title: Its title.
        text: What it says to all, in paragraphs.
        params: What it says of parameters and fields, by name.
        returns: What it says of results, by name.
    """

    title: str = ""
    text: tuple[str, ...] = ()
    params: dict[str, str] = field(default_factory=dict)
    returns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Declaration:
    """One thing that an interface declares.

    Attributes:
        kind: The compiler's name of what it is.
        name: Its name.
        code: The declaration, as the source has it.
        natspec: What its comment says.
        selector: The first four bytes of a call or of an error's data, or the topic of an event; empty: there is none.
        group: What a comment above it says of it and of those that follow.
    """

    kind: str
    name: str
    code: str
    natspec: NatSpec
    selector: str = ""
    group: str = ""


@dataclass(frozen=True)
class Interface:
    """An interface, with what it declares in the order of the source."""

    name: str
    natspec: NatSpec
    bases: tuple[str, ...]
    declarations: tuple[Declaration, ...]


def interfaces(sources: dict[str, str] | None = None) -> list[Interface]:
    """Return the interfaces of files, in the page's order.

    Args:
        sources: The files' texts by their names; None: those of the project.
    """
    texts = sources or {path.name: path.read_text(encoding="utf-8") for path in sorted(INTERFACES.glob("*.sol"))}
    request = standard_input(texts, evm_version="cancun")
    request["settings"]["outputSelection"] = {"*": {"*": ["abi"], "": ["ast"]}}
    output = compile_standard(request, COMPILER)
    order = ORDER if sources is None else [Path(each).stem for each in texts]
    found = []
    for stem in order:
        file = f"{stem}.sol"
        for node in output["sources"][file]["ast"]["nodes"]:
            if node["nodeType"] == "ContractDefinition":
                abi = output["contracts"][file][node["name"]]["abi"]
                found.append(_interface(node, texts[file], abi))
    return found


def page() -> str:
    """Return the page."""
    return "".join([_HEAD, *map(_section, interfaces())])


def parse(comment: str) -> NatSpec:
    """Return what the lines of a NatSpec comment say, without their slashes."""
    title, text = "", [""]
    params: dict[str, str] = {}
    returns: dict[str, str] = {}
    parts = re.split(r"^@(title|notice|dev|param|return)[ \t]*", comment, flags=re.MULTILINE)
    pairs = [("notice", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    for tag, said in pairs:
        if tag == "title":
            title = " ".join(said.split())
        elif tag in ("param", "return"):
            name, _, meaning = said.strip().partition(" ")
            (params if tag == "param" else returns)[name] = " ".join(meaning.split())
        else:
            text += [" ".join(each.split()) for each in re.split(r"\n\s*\n", said)]
    return NatSpec(title, tuple(filter(None, text)), params, returns)


def plain(text: str) -> str:
    """Return a comment's text with stars and backticks as its only markup."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([<\[\]])", r"\\\1", part) for part in parts)


def _interface(node: dict[str, Any], source: str, abi: Sequence[dict[str, Any]]) -> Interface:
    raw = source.encode()
    declarations = []
    for each in node["nodes"]:
        if each["nodeType"] in _KINDS:
            start, length, _ = map(int, each["src"].split(":"))
            above = raw[:start].decode()
            declarations.append(
                Declaration(
                    each["nodeType"],
                    each["name"],
                    raw[start : start + length].decode(),
                    parse(_comment(above, "///")),
                    _selector(each["nodeType"], each.get("name", ""), abi, each),
                    " ".join(_group(above).split()),
                )
            )
    bases = tuple(each["baseName"]["name"] for each in node.get("baseContracts", ()))
    above = raw[: int(node["src"].split(":")[0])].decode()
    return Interface(node["name"], parse(_comment(above, "///")), bases, tuple(declarations))


def _comment(above: str, mark: str) -> str:
    """Return the comment that ends a text, without its marks."""
    lines: list[str] = []
    for line in reversed(above.rstrip(" ").rstrip("\n").split("\n")):
        if not line.strip().startswith(mark):
            break
        lines.insert(0, line.strip().removeprefix(mark).removeprefix(" "))
    return "\n".join(lines)


def _group(above: str) -> str:
    """Return the plain comment above a declaration and its NatSpec."""
    lines = above.rstrip(" ").rstrip("\n").split("\n")
    while lines and lines[-1].strip().startswith("///"):
        lines.pop()
    text = "\n".join(lines)
    return _comment(text, "//") if lines and not lines[-1].strip().startswith("///") else ""


def _selector(kind: str, name: str, abi: Sequence[dict[str, Any]], node: dict[str, Any]) -> str:
    wanted = {"FunctionDefinition": "function", "EventDefinition": "event", "ErrorDefinition": "error"}.get(kind)
    count = len(node["parameters"]["parameters"]) if wanted else 0
    same = [each for each in abi if each["type"] == wanted and each["name"] == name and len(each["inputs"]) == count]
    if not wanted or not same:
        return ""
    whole: bytes = keccak(text=abi_to_signature(same[0]))  # type: ignore[arg-type]
    return "0x" + (whole if wanted == "event" else whole[:4]).hex()


def _section(interface: Interface) -> str:
    lines = [f"\n## {interface.name}\n\n"]
    spec = interface.natspec
    if spec.title:
        lines.append(f"**{plain(spec.title)}.**\n")
    if interface.bases:
        lines.append(f"\nIt has everything of {' and '.join(f'`{each}`' for each in interface.bases)}, too.\n")
    lines += [f"\n{plain(each)}\n" for each in spec.text]
    for part in _PARTS:
        of = [each for each in interface.declarations if _KINDS[each.kind] == part]
        if of:
            lines.append(f"\n### {part} of {interface.name}\n")
            lines += _errors(of) if part == "Errors" else [text for each in of for text in _described(each)]
    return re.sub(r"\n{3,}", "\n\n", "".join(lines))


def _errors(of: Sequence[Declaration]) -> Iterator[str]:
    yield "\n| error | selector | meaning |\n| --- | --- | --- |\n"
    for each in of:
        code = " ".join(each.code.removeprefix("error ").rstrip(";").split())
        yield f"| `{code}` | `{each.selector}` | {plain(' '.join(each.natspec.text))} |\n"


def _described(each: Declaration) -> Iterator[str]:
    if each.group:
        yield f"\n{plain(each.group)}\n"
    yield f"\n#### {each.name}\n\n"
    yield "".join(f"{plain(text)}\n\n" for text in each.natspec.text)
    # Not ```solidity: those are boxes for readers to copy, and a test compiles them.
    yield f"``` solidity\n{_dedented(each.code)}\n```\n"
    told = [(name, said) for name, said in each.natspec.params.items()]
    told += [(f"returns {name}", said) for name, said in each.natspec.returns.items()]
    yield "\n" + "".join(f"- `{name}`: {plain(said)}\n" for name, said in told) if told else ""
    if each.selector:
        yield f"\n{'Topic' if each.kind == 'EventDefinition' else 'Selector'} `{each.selector}`.\n"


def _dedented(code: str) -> str:
    """Return a declaration without the indentation of the interface around it."""
    return "\n".join(line.removeprefix("    ") for line in code.splitlines())


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
