"""Tests of files from another machine or a failing disk: they are read, or refused with an error of this package."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.chain.deploy import load_deployment
from oracle.chain.keys.keystore import address_of, load, password_from_file
from oracle.chain.local.anvil import load_anvil_config
from oracle.config import load as load_config
from oracle.core.errors import OracleError
from oracle.proving.artifact import MANIFEST, Manifest
from oracle.proving.artifact import load as load_artifact

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["0x", "0x" + "00" * 20, "-1", "1e999", 10**400, -(2**256), "../../etc/passwd", "\x00"])
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
DEEP = b"[" * 20_000
rubbish = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([DEEP, b'{"a":' * 5_000, b"a." * 2_000 + b"a = 1", b"\xff\xfe{}", b"1" * 10_000]),
    documents.map(lambda found: json.dumps(found).encode()),
)

DEPLOYMENT: dict[str, Any] = {
    "format": 2,
    "chain_id": 31337,
    "deployment": {
        "chain_id": 31337,
        "hub": "0x" + "11" * 20,
        "block": 1,
        "models": {"1": {"artifacts": {"1": "a"}}},
        "feeds": {"one": {"feed_id": "00" * 32}},
    },
    "steps": {},
}
MANIFEST_KEYS = [field.name for field in dataclasses.fields(Manifest)]
KEYSTORE: dict[str, Any] = {
    "version": 3,
    "address": "11" * 20,
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "00" * 16},
        "ciphertext": "00" * 32,
        "kdf": "scrypt",
        "kdfparams": {"dklen": 32, "n": 2, "p": 1, "r": 8, "salt": "00" * 16},
        "mac": "00" * 32,
    },
}


def altered(document: Any) -> st.SearchStrategy[bytes]:
    """Draw a document with one or two of its values, at any depth, replaced or removed."""
    places = [path for path in _places(document) if path]

    def change(changes: list[tuple[tuple[Any, ...], Any]]) -> bytes:
        copy = json.loads(json.dumps(document))
        for path, value in changes:
            inner = copy
            for key in path[:-1]:
                inner = inner.get(key) if isinstance(inner, dict) else None
            if isinstance(inner, dict):
                if value is _REMOVED:
                    inner.pop(path[-1], None)
                else:
                    inner[path[-1]] = value
        return json.dumps(copy).encode()

    change_of = st.tuples(st.sampled_from(places), documents | st.just(_REMOVED))
    return st.lists(change_of, min_size=1, max_size=2).map(change)


_REMOVED = object()


def _places(document: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = [()]
    if isinstance(document, dict):
        for key, value in document.items():
            found += [(key, *rest) for rest in _places(value)]
    return found


def refused_in_one_line(read: Callable[[Path], Any], path: Path, content: bytes, *, problems: int = 1) -> None:
    """Assert that a file is read, or is refused with one line; or with a line for each of several problems."""
    path.write_bytes(content)
    said = ""
    try:
        read(path)
    except OracleError as error:
        said = str(error)
    first, *others = said.split("\n")
    assert len(first) < 1_000
    assert not others or (first.endswith(" problems:") and len(others) <= problems)
    assert all(line.startswith("  ") and len(line) < 1_000 for line in others)


@pytest.fixture(autouse=True)
def _as_the_command_line() -> None:
    # Libraries raise the limit when they are loaded, beyond what the stack bears; a running oracle restores it.
    import eth_account  # noqa: F401

    sys.setrecursionlimit(1_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@given(rubbish | altered(DEPLOYMENT))
@settings(max_examples=60)
def test_any_deployment_file(folder: Path, content: bytes) -> None:
    refused_in_one_line(load_deployment, folder / "deployment.json", content)


@given(rubbish | altered(dict.fromkeys(MANIFEST_KEYS, 1)) | altered(dict.fromkeys(MANIFEST_KEYS, "1")))
@settings(max_examples=60)
def test_any_manifest(folder: Path, content: bytes) -> None:
    def read(path: Path) -> None:
        load_artifact(path.parent)

    refused_in_one_line(read, folder / MANIFEST, content)


@given(rubbish | altered(KEYSTORE))
@settings(max_examples=60)
def test_any_keystore(folder: Path, content: bytes) -> None:
    def cheap(value: Any) -> bool:
        """Return whether a key derivation with these numbers takes less than minutes: its owner chooses its cost."""
        if isinstance(value, Mapping):
            return all(cheap(each) for each in value.values())
        return not isinstance(value, int | float) or abs(value) <= 64

    path = folder / "keystore.json"
    refused_in_one_line(address_of, path, content)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = {}
    if cheap(found):
        refused_in_one_line(lambda path: load(path, "password"), path, content)


@given(rubbish)
@settings(max_examples=25)
def test_any_password_file(folder: Path, content: bytes) -> None:
    refused_in_one_line(password_from_file, folder / "password", content)


toml = st.one_of(
    rubbish,
    st.text(alphabet="[]{}=\"'\n.#, abcdet0123456789-+:_", max_size=120).map(str.encode),
    st.tuples(
        st.sampled_from(["chain", "keys", "prover", "journal", "deploy", "web", "feeds", "x"]),
        st.text(alphabet="abcdefghijklmnop_", min_size=1, max_size=12),
        st.sampled_from(
            ["1", "-1", "1e400", "nan", "inf", '""', "[]", "{}", "true", "1979-05-27", "9" * 5_000, '"${X"']
        ),
    ).map(lambda found: "[{}]\n{} = {}\n".format(*found).encode()),
)


@given(toml)
@settings(max_examples=80)
def test_any_configuration(folder: Path, content: bytes) -> None:
    refused_in_one_line(lambda path: load_config(path, {}), folder / "oracle.toml", content, problems=21)
    refused_in_one_line(load_anvil_config, folder / "anvil.toml", content)


EXAMPLE = (Path(__file__).parents[3] / "config.example.toml").read_text()


@given(st.data())
@settings(max_examples=60)
def test_a_configuration_with_something_wrong_in_it(folder: Path, data: st.DataObject) -> None:
    """A line of the example is cut, doubled, or has another value."""
    lines = EXAMPLE.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    key = lines[at].split("=")[0]
    value = data.draw(
        st.sampled_from(["", "[", '"', "0", "-1", "1e999", "nan", '"\\u0000"', "{ a = 1 }", "[[1]]", "9" * 40])
    )
    lines[at] = data.draw(
        st.sampled_from([f"{key} = {value}", lines[at][: len(lines[at]) // 2], f"{lines[at]}\n{lines[at]}"])
    )
    environment = {"RPC_KEY": "x"}
    content = "\n".join(lines).encode()
    refused_in_one_line(lambda path: load_config(path, environment), folder / "oracle.toml", content, problems=21)
