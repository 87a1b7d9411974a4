"""Read a user's own faults from a TOML file:

    [[fault]]
    name = "half"                     # its name in evaluations
    ticks = 3                         # how many ticks it lasts; default 1
    value = "clean * 0.5"             # the value that is seen at each of its ticks
    # group = "gross"                 # the group under which evaluations list it; default "own"
    # real = true                     # a market does the same: it must pass, or clear
    # source = true                   # it happens to one of several sources

`value` is an expression with + - * / **, min, max and abs. It may use

    clean           the true value of the tick
    first           the true value of the fault's first tick
    before          the true value of the tick before the fault
    earlier(n)      the true value of n ticks before `clean`, with n at most MAX_EARLIER
    tick, ticks     the number of the tick, from 1, and how many there are
    sign, draw      −1 or 1, and a number between 0 and 1; both are drawn once for a fault
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path

from oracle.core.documents import NotText, decode_text
from oracle.core.errors import DataError
from oracle.sources.faults.fault import Fault
from oracle.sources.faults.formula import Formula

__all__ = ["load_faults"]

MAX_TICKS = 1_000
"""The most ticks that a fault may last."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,30}\Z")
_KEYS: dict[str, type] = {"name": str, "ticks": int, "value": str, "group": str, "real": bool, "source": bool}


def load_faults(path: Path) -> tuple[Fault, ...]:
    """Read a user's own faults. The module's docstring describes the file.

    Raises:
        DataError: The file can't be read, or an entry is wrong. The message names the entry.
    """
    try:
        document = tomllib.loads(decode_text(path.read_bytes()))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, NotText, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: can't be read: {error}") from None
    entries = document.get("fault")
    if not isinstance(entries, list) or not entries or set(document) != {"fault"}:
        raise DataError(f"{path}: expected one or more [[fault]] entries, and nothing else")
    faults = tuple(_fault(entry, f"{path}: fault {number}") for number, entry in enumerate(entries, 1))
    for number, fault in enumerate(faults, 1):
        if fault.kind in {other.kind for other in faults[number:]}:
            raise DataError(f"{path}: two faults are called {fault.kind!r}")
    return faults


def _fault(entry: object, where: str) -> Fault:
    if not isinstance(entry, dict):
        raise DataError(f"{where}: is not a table")
    for key, value in entry.items():
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            raise DataError(
                f"{where}: unknown key {key!r}; {f'did you mean {near[0]!r}?' if near else ', '.join(_KEYS)}"
            )
        if type(value) is not _KEYS[key]:
            raise DataError(f"{where}: {key} = {value!r} must be of type {_KEYS[key].__name__}")
    for key in ("name", "value"):
        if key not in entry:
            raise DataError(f"{where}: {key!r} is missing")
    name, ticks = entry["name"], entry.get("ticks", 1)
    if not _NAME.match(name):
        raise DataError(f"{where}: name {name!r} must be lower-case letters, digits, '_', '.' and '-', at most 31")
    if not 1 <= ticks <= MAX_TICKS:
        raise DataError(f"{where}: ticks = {ticks} must be from 1 to {MAX_TICKS}")
    formula = Formula(entry["value"], f"{where} ({name})")
    return Fault(
        name,
        ticks,
        formula.apply,
        entry.get("group", "own"),
        earlier=formula.earlier,
        source=entry.get("source", False),
        real=entry.get("real", False),
    )
