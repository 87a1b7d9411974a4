"""Tests of the packed npm package of contracts, as its users have it: installed into projects of Foundry.

The examples and the tutorial are such projects. Each is compiled by another release of the compiler.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from oracle.chain.local import toolchain
from oracle.chain.local.solc import compile_standard, solc, standard_input
from scripts import npm_pack
from scripts.bootstrap import Bootstrap

PACKAGE = "node_modules/@verifiable-oracle/contracts"
RELEASES = ("0.8.20", "0.8.26", "0.8.30")


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (packed,) = npm_pack.pack(tmp_path_factory.mktemp("npm"), ["contracts"])
    return packed


def install(tarball: Path, project: Path) -> None:
    """Put the package where `npm install` puts it, and forge-std where `forge init` does."""
    target = project / PACKAGE
    target.mkdir(parents=True)
    with tarfile.open(tarball) as archive:
        for member in archive.getmembers():
            member.name = member.name.removeprefix("package/")
            archive.extract(member, target, filter="data")
    standard_library(project)


def standard_library(project: Path) -> None:
    (project / "lib").mkdir(exist_ok=True)
    source = toolchain.project_root() / "node_modules/@uniswap/v4-core/lib/forge-std"
    (project / "lib/forge-std").symlink_to(source, target_is_directory=True)


def forge_test(project: Path, release: str) -> str:
    """Run a project's tests; return what forge says. Its own settings hold, but it downloads no compiler."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOUNDRY_")}
    environment |= {"FOUNDRY_SOLC": str(solc(release)), "FOUNDRY_OFFLINE": "true"}
    command = [str(toolchain.forge().path), "test", "--root", str(project)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Warning (" not in said, said
    return said


def passed(said: str) -> int:
    found = re.search(r"(\d+) tests? passed, 0 failed, 0 skipped", said)
    assert found is not None, said
    return int(found[1])


def test_the_package_has_what_it_says(tarball: Path, project_root: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = {member.name.removeprefix("package/") for member in archive.getmembers()}
        package = archive.extractfile("package/package.json")
        assert package is not None and b'"private"' not in package.read()
    interfaces = {f"interfaces/{path.name}" for path in (project_root / "contracts/src/interfaces").glob("*.sol")}
    mocks = {f"mocks/{path.name}" for path in (project_root / "contracts/mocks").glob("*.sol")}
    assert interfaces | mocks | {"abi.js", "abi.d.ts", "abi/ZkOracle.json", "LICENSE", "README.md"} <= names
    assert {name.split("/")[0] for name in names} == {
        "LICENSE", "README.md", "abi", "abi.d.ts", "abi.js", "deployments.json", "interfaces", "mocks", "package.json"
    }  # fmt: skip


def test_the_same_tree_gives_the_same_bytes(tarball: Path, tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        (again,) = npm_pack.pack(tmp_path, ["contracts"])
    finally:
        os.umask(umask)
    assert again.read_bytes() == tarball.read_bytes()


@pytest.mark.parametrize("release", RELEASES)
def test_each_compiler_takes_all_of_it(tarball: Path, tmp_path: Path, release: str) -> None:
    """Without the optimizer, there is no warning but that the mocked hub is too large for a live chain."""
    install(tarball, tmp_path)
    folder = tmp_path / PACKAGE
    sources = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.sol")}
    request = standard_input(sources, optimizer_runs=None)
    request["settings"]["outputSelection"] = {"*": {"*": ["abi"]}}
    assert compile_standard(request, release).get("errors", []) == []


@pytest.mark.parametrize(
    ("example", "release"), list(zip(("lending", "perpetual", "allow-list"), RELEASES, strict=True))
)
def test_examples_are_whole_projects(
    tarball: Path, tmp_path: Path, project_root: Path, example: str, release: str
) -> None:
    project = tmp_path / example
    shutil.copytree(project_root / "examples" / example, project)
    install(tarball, project)
    assert passed(forge_test(project, release)) >= 8


def test_the_tutorial_as_it_is(tarball: Path, tmp_path: Path, project_root: Path) -> None:
    """Its files are written where it says, into an empty folder, and npm installs the package."""
    page = (project_root / "docs/tutorials/read-a-feed.md").read_text(encoding="utf-8")
    files = re.findall(r"^``` ?solidity\n// (\S+\.sol)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert {name for name, _ in files} == {"src/Vault.sol", "test/Vault.t.sol"}
    for name, text in files:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    remappings = re.findall(r"^echo '(\S+)' >>? remappings\.txt$", page, re.MULTILINE)
    (tmp_path / "remappings.txt").write_text("".join(f"{line}\n" for line in remappings))
    assert len(remappings) == 2
    npm = Bootstrap(project_root).npm()
    path = os.pathsep.join((str(Path(npm[0]).parent), os.environ["PATH"]))
    subprocess.run(
        [*npm, "install", "--offline", "--silent", "--no-audit", "--no-fund", str(tarball)],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        check=True,
    )
    standard_library(tmp_path)
    assert passed(forge_test(tmp_path, RELEASES[-1])) == 3
