"""Write docs/configuration.md from the configuration's own classes: keys, types, bounds, defaults and what they mean.

    python -m scripts.config_reference

A key is described where it is defined: in a line below "Attributes:" of its class, or by `Field(description=…)`. Run it
after every change of a key; `tests/unit/docs/test_configuration.py` fails until then.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from oracle.config import ClaimServiceConfig, Config, TrainingConfig
from oracle.config.listen import ListenAddress
from oracle.core.settings import UINT32_MAX, Address, ConfigPath, Section, Url, UrlText

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

_HEAD = """# Configuration

Every key of `oracle.toml`, by its table. [`config.example.toml`](../config.example.toml) has each of them in its place;
`oracle init` writes a file to begin with, and `oracle config check` tells what is wrong with one.
This page is made from the code by `python -m scripts.config_reference`.

Relative paths are relative to the file's folder. `${NAME}` stands for an environment variable, in URLs and in the
values of `headers` only. A key that is not listed is an error. Durations are in seconds unless the key's name says
otherwise.
"""

_TRAINING = """
# The training file

The keys of the file that `oracle detector train` reads, usually `train.toml`. [detectors.md](detectors.md) explains
them.
"""

_CLAIMS = """
# The file of the claims service

The keys of the file that `oracle claim serve` reads, usually `claims.toml`. [claims.md](claims.md#the-claims-service)
shows one. Its `[[callers]]` have the keys of `[[updates.callers]]`.
"""

_ALIASES = {
    ConfigPath: "path",
    Url: "URL",
    UrlText: "URL",
    ListenAddress: "host:port",
    Address: "address",
}

_YEAR = 86_400 * 365
"""The most seconds that a duration may have."""

_UNITS = {"_ms": "ms", "_ppm": "ppm", "_gwei": "gwei", "_ether": "ether", "_mb": "MiB", "days": "days"}
"""Units by the end of a key's name."""


_TAG = "type"
"""The key that selects one of several kinds."""


@dataclass
class KeyTable:
    """A table of the page.

    Attributes:
        heading: Its heading, as the file has it.
        of: The class.
        keys: The names of its keys, in order.
        more: Further text.
    """

    heading: str
    of: type[Section]
    keys: list[str]
    more: str = ""


@dataclass
class _Page:
    tables: list[KeyTable] = field(default_factory=list)
    seen: set[type[Section]] = field(default_factory=set)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page."""
    config = tables(Config)
    training = tables(TrainingConfig, {each.of for each in config})
    claims = tables(ClaimServiceConfig, {each.of for each in config})
    return "\n".join([_HEAD, *map(_shown, config), _TRAINING, *map(_shown, training), _CLAIMS, *map(_shown, claims)])


def tables(root: type[Section], known: Collection[type[Section]] = ()) -> list[KeyTable]:
    """Return the tables of a file, in its order: each class of settings once.

    Args:
        root: The class of the whole file.
        known: Classes that are left out.
    """
    found = _Page(seen=set(known))
    plain = [name for name, info in root.model_fields.items() if not any(sections(info.annotation))]
    if plain:
        found.tables.append(KeyTable("At the top of the file", root, plain))
    for name, info in root.model_fields.items():
        if name not in plain:
            _add(found, name, info.annotation)
    return found.tables


def _add(found: _Page, path: str, annotation: Any) -> None:
    """Add the tables of a key's value, and those within them."""
    is_list = any(get_origin(each) is tuple for each in _unwrapped(annotation))
    inner = [each for each in sections(annotation) if each not in found.seen]
    if len(inner) > 1:  # one of several kinds
        _add_kinds(found, path, inner)
        return
    for section in inner:
        found.seen.add(section)
        found.tables.append(
            KeyTable(f"`[[{path}]]`" if is_list else f"`[{path}]`", section, list(section.model_fields))
        )
        within = {name: info for name, info in section.model_fields.items() if any(sections(info.annotation))}
        same = {tuple(sections(info.annotation)) for info in within.values()}
        if len(within) > 1 and len(same) == 1:  # as the keys of [keys]
            first = next(iter(within.values()))
            count = len(found.tables)
            _add(found, path, first.annotation)
            for each in found.tables[count:]:
                each.heading = f"`[{path}]`: {_listed([f'`{name}`' for name in within])}"
            continue
        for name, info in within.items():
            _add(found, f"{path}.{name}", info.annotation)


def _add_kinds(found: _Page, path: str, kinds: Sequence[type[Section]]) -> None:
    """Add the tables of a value that has one of several kinds: first what several have in common, then each kind."""
    uses = {
        base: [kind for kind in kinds if issubclass(kind, base)]
        for kind in kinds
        for base in reversed(kind.__mro__)
        if issubclass(base, Section) and base not in (Section, kind) and _own(base)
    }
    shared = [base for base, users in uses.items() if len(users) > 1]
    for base in shared:
        tags = [f'`"{_tag(kind)}"`' for kind in uses[base]]
        every = len(tags) == len(kinds)
        of = "sources of all types" if every else f"sources of the types {_listed(tags)}"
        found.tables.append(KeyTable(f"`[[{path}]]`: {of}", base, _own(base)))
    for kind in kinds:
        found.seen.update({kind, *uses})
        mine = [base for base in reversed(kind.__mro__) if base in uses and base not in shared]
        keys = list(dict.fromkeys(name for each in (*mine, kind) for name in _own(each)))
        above = [f"`{name}`" for base in shared if issubclass(kind, base) for name in _own(base) if name not in keys]
        more = f"It takes {_listed(above)}, too."
        found.tables.append(KeyTable(f'`[[{path}]]` with `type = "{_tag(kind)}"`', kind, keys, more))


def _tag(kind: type[Section]) -> str:
    """Return the value of `type` that selects one of several kinds."""
    return str(get_args(kind.model_fields["type"].annotation)[0])


def _own(section: type[Section]) -> list[str]:
    """Return the keys that a class itself defines, its own defaults of inherited ones included."""
    return [name for name in section.__annotations__ if name in section.model_fields and name != _TAG]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# --- one table -----------------------------------------------------------------------------------------------------


def _shown(table: KeyTable) -> str:
    lines = [f"## {table.heading}", "", _prose(table.of)]
    if table.more:
        lines += ["", table.more]
    if table.keys:
        lines += ["", "| key | type | default | meaning |", "|---|---|---|---|"]
    for name in table.keys:
        info = table.of.model_fields[name]
        kind = " or ".join(dict.fromkeys(_kind(info.annotation, info.metadata)))
        unit = "" if "seconds" in kind else next((unit for end, unit in _UNITS.items() if name.endswith(end)), "")
        cells = (f"`{name}`", f"{kind}{f' ({unit})' if unit else ''}", _default(info), description(table.of, name))
        lines.append(f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |")
    return "\n".join([*lines, ""])


def _prose(section: type[Section]) -> str:
    """Return a class's docstring without its attributes, as paragraphs."""
    text = inspect.cleandoc(section.__doc__ or "").partition("\nAttributes:\n")[0]
    text = re.sub(r"(?<=\. )[^.]*`oracle\.[^.]*\.[^`]*`[^.]*\.", "", text)  # modules mean nothing to an operator
    return "\n\n".join(" ".join(each.split()) for each in text.strip().split("\n\n"))


def description(section: type[Section], name: str) -> str:
    """Return what a key means, in the words of the class that defines it.

    Raises:
        LookupError: It is not described, or twice.
    """
    told = section.model_fields[name].description
    by_class = next((each[name] for base in section.__mro__ if name in (each := attributes(base))), None)
    if (told is None) == (by_class is None):
        raise LookupError(f"{section.__name__}.{name} is described {'nowhere' if told is None else 'twice'}")
    text = told or by_class or ""
    text = re.sub(r"\bNone: ", "Without it: ", text)
    return re.sub(r"\b(True|False)\b", lambda found: f"`{found[1].lower()}`", text)


def attributes(section: type) -> dict[str, str]:
    """Return the descriptions below "Attributes:" of a class's own docstring, by name."""
    text = inspect.cleandoc(section.__dict__.get("__doc__") or "").partition("\nAttributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", text, re.MULTILINE | re.DOTALL)
    return {name: " ".join(words.split()) for name, words in found}


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    if info.default_factory is not None:
        made = None if info.default_factory_takes_validated_data else info.default_factory()  # type: ignore[call-arg]
        return "see meaning" if made is None or isinstance(made, (Section, int, Path)) else _value(made)
    return "–" if info.default is None else _value(info.default)


def _value(value: Any) -> str:
    if isinstance(value, Section):
        return "see meaning"
    if isinstance(value, tuple):
        return "none" if not value else ", ".join(map(_value, value))
    if isinstance(value, dict):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f'`"{value.value}"`'
    if isinstance(value, float | Decimal | int):
        return f"{value:,.12g}" if isinstance(value, float) else f"{value:,}"
    return f'`"{value}"`' if value else "empty"


# --- types in words ------------------------------------------------------------------------------------------------


def _unwrapped(annotation: Any) -> Iterator[Any]:
    """Yield a type and the types that it is made of."""
    yield annotation
    for each in get_args(annotation):
        yield from _unwrapped(each)


def sections(annotation: Any) -> Iterator[type[Section]]:
    """Yield the tables that a type is made of."""
    for each in _unwrapped(annotation):
        if isinstance(each, type) and issubclass(each, Section):
            yield each


def _kind(annotation: Any, metadata: Sequence[Any]) -> Iterator[str]:
    """Yield a type in words, each of its alternatives."""
    whole = Annotated[annotation, *metadata] if metadata else annotation
    for alias, words in _ALIASES.items():
        if whole == alias or annotation == alias:
            yield words
            return
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        yield from _kind(inner, [*more, *metadata])
    elif origin in (Union, types.UnionType):
        if all(isinstance(each, type) and issubclass(each, Section) for each in get_args(annotation)):
            yield "table"
            return
        for each in get_args(annotation):
            if each is not type(None):
                yield from _kind(each, metadata)
    elif origin is Literal:
        yield ", ".join(_value(each) for each in get_args(annotation))
    elif origin is tuple:
        inner = [each for each in get_args(annotation) if each is not Ellipsis]
        words = " or ".join(dict.fromkeys(word for each in inner[:1] for word in _kind(each, [])))
        yield f"list of: {words}{_bounds(metadata, 'entries')}"
    elif origin in (dict, Mapping):
        yield "table of texts"
    else:
        yield f"{_plain(annotation, metadata)}{_bounds(metadata, 'characters' if annotation is str else '')}"


def is_table(annotation: Any) -> bool:
    """Return True if a key's value is a table itself."""
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _plain(annotation: Any, metadata: Sequence[Any]) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "table"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(_value(each) for each in annotation)
    if annotation is float and _limits(metadata).get("le") == _YEAR:
        return "seconds"
    names = {bool: "true or false", int: "whole number", float: "number", Decimal: "number", str: "text", Path: "path"}
    return names.get(annotation, {"date": "date", "datetime": "time"}.get(getattr(annotation, "__name__", ""), "text"))


def _limits(metadata: Sequence[Any]) -> dict[str, Any]:
    """Return the bounds of a value by their names."""
    flat = [part for each in metadata for part in (each.metadata if isinstance(each, FieldInfo) else [each])]
    names = ("ge", "gt", "le", "lt", "min_length", "max_length")
    return {name: value for each in flat for name in names if (value := getattr(each, name, None)) is not None}


def _bounds(metadata: Sequence[Any], what: str) -> str:
    """Return the bounds of a value in words, as the end of its type.

    Args:
        metadata: The constraints.
        what: The things that are counted; empty if the value itself is bounded.
    """
    limits = _limits(metadata)
    low, high = limits.get("ge", limits.get("min_length")), limits.get("le", limits.get("max_length"))
    if what and low == 1 and high is None:
        return ", not empty"
    end = f" {what}" if what else ""
    if low is not None and high is not None and "gt" not in limits:
        return f", {_number(low)} to {_number(high)}{end}"
    told = [f"above {_number(limits['gt'])}"] if "gt" in limits else []
    told += [f"at least {_number(low)}{end}"] if low is not None else []
    told += [f"below {_number(limits['lt'])}"] if "lt" in limits else []
    told += [f"at most {_number(high)}{end}"] if high is not None and high != _YEAR else []
    return f", {', '.join(told)}" if told else ""


def _number(value: Any) -> str:
    if value == UINT32_MAX:
        return "2^32 − 1"
    if isinstance(value, int) and value > UINT32_MAX and value & (value - 1) == 0:
        return f"2^{value.bit_length() - 1}"
    return f"{value:,}"


if __name__ == "__main__":
    main()
