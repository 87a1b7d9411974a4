"""Tests of the base of all tables of the configuration; the rest of `core` does without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from oracle.core.settings import ConfigPath, EndpointsConfig, Seconds, Section, check_address, check_url, wrong


class Table(Section):
    """A table to test with."""

    wait: Seconds = 1.0
    file: ConfigPath | None = None


def test_only_this_module_of_core_knows_pydantic(project_root: Path) -> None:
    others = [
        path.stem for path in (project_root / "oracle/core").glob("*.py") if path.stem not in ("settings", "__init__")
    ]
    assert len(others) > 10
    code = f"import sys, importlib; [importlib.import_module('oracle.core.' + name) for name in {others!r}]; "
    code += "print('pydantic' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_braces_in_a_message_are_no_placeholders() -> None:
    assert wrong("use ${NAME} or {name}").message() == "use ${NAME} or {name}"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8545", "https://user:s3cret@host/path?key=s3cret"])
def test_urls(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "s3cret", "ftp://s3cret@host", "http://", "https://host:s3cret", "https://ho st/s3cret", "https://[s3cret"],
)
def test_what_is_no_url_is_not_repeated(url: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        check_url(url)
    assert caught.value.message() == "is not a valid URL; write it as https://host/path"


def test_the_zero_address_is_refused() -> None:
    assert check_address("0x" + "0" * 39 + "1")
    with pytest.raises(PydanticCustomError, match="the zero address, which nobody controls"):
        check_address("0x" + "0" * 40)


def test_a_table_is_frozen_and_knows_its_keys(tmp_path: Path) -> None:
    table = Table.model_validate({"wait": 2, "file": "a/b"}, context={"base": tmp_path})
    assert (table.wait, table.file) == (2.0, tmp_path / "a/b")
    with pytest.raises(ValidationError, match="frozen"):
        table.wait = 3.0  # type: ignore[misc]
    with pytest.raises(ValidationError, match="unknown key; did you mean 'wait'"):
        Table.model_validate({"wiat": 2})
    with pytest.raises(ValidationError, match="known keys: wait, file"):
        Table.model_validate({"x": 2})


@pytest.mark.parametrize("wait", [0, -1, True, "1", 10**400, 86_400 * 366])
def test_durations_that_there_are_not(wait: object) -> None:
    with pytest.raises(ValidationError, match="wait"):
        Table.model_validate({"wait": wait})


def test_endpoints_are_in_order_of_preference() -> None:
    one = EndpointsConfig.model_validate({"rpc_url": "http://a", "chain_id": 1})
    several = EndpointsConfig.model_validate({"rpc_urls": ("http://a", "http://b"), "chain_id": 1, "agreement": 2})
    assert (one.endpoints, several.endpoints) == (("http://a",), ("http://a", "http://b"))
    assert "http" not in repr(one) + repr(several), "they may hold keys"
