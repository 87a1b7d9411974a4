"""A fixture that reads a configuration from its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.config import Config
from tests.unit.config.texts import MINIMAL, Load, configured


@pytest.fixture
def read(tmp_path: Path) -> Load:
    """Return a function that loads a configuration from its text, after replacements: pairs of old and new text."""

    def read(text: str = MINIMAL, *changes: tuple[str, str], env: dict[str, str] | None = None) -> Config:
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        return configured(tmp_path, text, env)

    return read
