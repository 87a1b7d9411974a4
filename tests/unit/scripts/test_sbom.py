"""Tests of the lists of packages: they have exactly what is locked. `make check` makes the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oracle import __version__
from scripts import sbom

ONE, TWO = "1" * 64, "2" * 64
LOCK = f"""aiohttp==3.11 ; python_full_version < '3.12' \\
    --hash=sha256:{ONE} \\
    --hash=sha256:{TWO}
Psycopg[binary]==3.2 \\
    --hash=sha256:{ONE}
"""


def component(purl: str, *hashes: str) -> dict[str, Any]:
    return {"purl": purl, "externalReferences": [{"hashes": [{"content": each} for each in hashes]}, {}]}


def document() -> dict[str, Any]:
    components = [component("pkg:pypi/aiohttp@3.11", ONE, TWO), component("pkg:pypi/psycopg@3.2", ONE)]
    return {"serialNumber": "urn:uuid:1", "metadata": {"timestamp": "now", "component": {}}, "components": components}


def test_a_list_of_the_locked_packages() -> None:
    locked = sbom.locked_python(LOCK)
    assert locked == {("aiohttp", "3.11"): {ONE, TWO}, ("psycopg", "3.2"): {ONE}}
    assert sbom.differences(sbom.listed(document()), locked) == []


def test_every_difference_from_the_lock_is_told() -> None:
    def told(*components: dict[str, Any]) -> list[str]:
        return sbom.differences(sbom.listed(document() | {"components": list(components)}), sbom.locked_python(LOCK))

    first, second = document()["components"]
    assert told(first) == ["psycopg 3.2 is locked, but not listed"]
    assert told(first, second, component("pkg:pypi/evil@1", ONE)) == ["evil 1 is listed, but not locked"]
    assert told(first, component("pkg:pypi/psycopg@3.3", ONE)) == [
        "psycopg 3.2 is locked, but not listed",
        "psycopg 3.3 is listed, but not locked",
    ]
    for hashes in ((), (TWO,), (ONE, TWO)):
        assert told(first, component("pkg:pypi/psycopg@3.2", *hashes)) == ["psycopg 3.2 has other hashes"]


def test_a_lock_file_with_something_that_is_not_pinned() -> None:
    with pytest.raises(ValueError, match="no pinned package: aiohttp>=3"):
        sbom.locked_python("aiohttp>=3\n")


def test_npm_packages_have_their_real_names_and_hashes() -> None:
    lock = {
        "": {"version": "1"},
        "node_modules/@a/b": {"version": "2", "integrity": "sha512-AQI="},
        "node_modules/solc-0.8.20": {"name": "solc", "version": "0.8.20", "integrity": "sha512-Aw=="},
        "node_modules/solc-0.8.20/node_modules/c": {"version": "3"},
    }
    found = sbom.locked_npm(json.dumps({"packages": lock}))
    assert found == {("@a/b", "2"): {"0102"}, ("solc", "0.8.20"): {"03"}, ("c", "3"): frozenset()}
    listed = sbom.listed({"components": [{"purl": "pkg:npm/%40a/b@2", "hashes": [{"content": "0102"}]}]})
    assert listed == {("@a/b", "2"): {"0102"}}


def test_the_lock_files_can_be_read_and_have_hashes(project_root: Path) -> None:
    python = sbom.locked_python((project_root / "requirements.lock").read_text())
    assert len(python) > 100 and all(python.values()) and {"ezkl", "hatchling"} <= {name for name, _ in python}
    npm = sbom.locked_npm((project_root / "package-lock.json").read_text())
    assert {("@openzeppelin/contracts", "5.7.0"), ("solc", "0.8.30")} <= npm.keys()
    assert sum(bool(hashes) for hashes in npm.values()) > 20


def test_the_same_commit_gives_the_same_bytes() -> None:
    found = sbom.steady(document(), 1_700_000_000)
    assert found == sbom.steady(document() | {"serialNumber": "urn:uuid:2"}, 1_700_000_000)
    assert found["metadata"]["timestamp"] == "2023-11-14T22:13:20Z" and "serialNumber" not in found
    assert found["metadata"]["component"] == {"name": "verifiable-oracle", "version": __version__}
