"""The files that come with the package for running it: alert rules, a systemd unit, an image, dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from oracle.core.errors import ConfigError

__all__ = ["packaged_files", "read_packaged"]

_PACKAGE = Path(__file__).resolve().parents[1]

_FOLDERS = (_PACKAGE / "packaging", _PACKAGE.parent / "packaging")
"""The folder of an installed wheel, and that of a clone."""


def packaged_files() -> Mapping[str, Path]:
    """Return the files by their names, those in folders as "grafana/oracle.json".

    Raises:
        ConfigError: The installation is not whole.
    """
    folder = next((each for each in _FOLDERS if each.is_dir()), None)
    if folder is None:
        raise ConfigError(f"{_FOLDERS[0]}: there is no such folder: install the package again")
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def read_packaged(name: str) -> str:
    """Return the text of a file.

    Raises:
        ConfigError: There is no such file.
    """
    found = packaged_files()
    if name not in found:
        raise ConfigError(f"there is no file {name!r}; there are: {', '.join(found)}")
    return found[name].read_text(encoding="utf-8")
