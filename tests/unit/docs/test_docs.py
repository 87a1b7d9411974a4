"""Tests that the documentation names commands, files, targets, tests and errors that exist, and its code compiles."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from oracle.chain.local.solc import compile_standard, standard_input
from oracle.cli import oracle as command_line
from oracle.core.errors import ConfigError


def documents(root: Path) -> list[Path]:
    pages = [root / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "tests/README.md")]
    return [*(page for page in pages if page.exists()), *sorted((root / "docs").rglob("*.md"))]


def test_documented_commands_exist(project_root: Path) -> None:
    found = set()
    for document in documents(project_root):
        for words in re.findall(
            r"(?:`|bin/|^ {4})oracle((?: [a-z]+(?:-[a-z]+)*)+)", document.read_text(), re.MULTILINE
        ):
            command: click.Command = command_line
            for word in words.split():
                if not isinstance(command, click.Group):
                    break
                assert word in command.commands, f"{document.name}: oracle{words}"
                command = command.commands[word]
                found.add(word)
    assert {"deploy", "run", "audit", "doctor", "status"} <= found


def test_documented_make_targets_exist(project_root: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (project_root / "Makefile").read_text(), re.MULTILINE))
    named = {
        (document.name, target)
        for document in documents(project_root)
        for target in re.findall(r"(?:^ {4}|`)make ([a-z-]+)", document.read_text(), re.MULTILINE)
    }
    assert {"test", "check", "demo"} <= {target for _, target in named}
    assert {(document, target) for document, target in named if target not in targets} == set()


def test_linked_files_exist(project_root: Path) -> None:
    links, paths = 0, 0
    for document in documents(project_root):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
            links += 1
        for path in re.findall(r"`((?:oracle|contracts|tests|scripts|docs)/[\w./-]+)`", document.read_text()):
            assert (project_root / path).exists(), f"{document.name}: {path}"
            paths += 1
    assert links > 10 and paths > 10


def test_named_tests_exist(project_root: Path) -> None:
    """Tests are named as `path::name`, those in Python and those of the contracts."""
    named = 0
    for document in documents(project_root):
        for path, name in re.findall(r"`([\w/.]+\.(?:py|t\.sol))::(\w+)`", document.read_text()):
            keyword = "def" if path.endswith(".py") else "function"
            assert re.search(rf"\b{keyword} {name}\(", (project_root / path).read_text()), (
                f"{document.name}: {path}::{name}"
            )
            named += 1
    assert named > 50


def section(root: Path, heading: str) -> str:
    return (root / "docs" / "contracts.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_every_incident_is_listed_and_every_listed_one_is_executed(project_root: Path) -> None:
    listed = set(re.findall(r"`(test_\w+)`", section(project_root, "Incidents")))
    executed = re.findall(
        r"^def (test_\w+)\(", (project_root / "tests/integration/test_incidents.py").read_text(), re.M
    )
    assert listed == set(executed)


def test_every_row_of_the_adapters_is_tested(project_root: Path) -> None:
    listed = set(re.findall(r"`(test_\w+)`", section(project_root, "Adapters")))
    tested = re.findall(r"function (test_\w+)\(", (project_root / "contracts/test/Consumers.t.sol").read_text())
    assert len(listed) > 15
    assert listed - set(tested) == set()
    # Each state of the table has a row.
    assert {name for name in tested if name.startswith("test_row")} <= listed


def test_every_invariant_names_a_test(project_root: Path) -> None:
    numbers, items = [], []
    for item in re.split(r"\n(?=- \*\*I-|#|\n)", section(project_root, "Invariants")):
        if (head := re.match(r"- \*\*I-(\d+)\*\* ", item)) is not None:
            numbers.append(int(head[1]))
            items.append(item)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 25
    for item in items:
        sentence, _, tests = item.partition(".\n  `")
        assert sentence.count(". ") == 0, sentence
        assert re.search(r"[\w/.]+::(?:test|invariant)\w+`", tests), sentence


def test_every_finding_names_a_test(project_root: Path) -> None:
    rows = re.findall(r"^\| (\d+) \|(.+)\|(.+)\|(.+)\|$", section(project_root, "What audits found"), re.MULTILINE)
    assert [int(number) for number, *_ in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 8
    assert [number for number, _, _, tests in rows if "::test" not in tests] == []


def test_the_bounds_are_those_of_the_code(project_root: Path) -> None:
    """A row with a constant says its value, as a number or as a time."""
    declared: dict[str, str] = {}
    for path in (project_root / "contracts/src").rglob("*.sol"):
        for name, value in re.findall(r"constant ([A-Z][A-Z_0-9]*) = ([^;]+);", path.read_text()):
            declared[name] = value.replace("_", "").replace(" ** ", "^").replace("1 hours", "1 hour")
    rows = re.findall(r"^\| (.+) \| (.+) \| `([A-Z_]+)` \|$", section(project_root, "Roles, delays and bounds"), re.M)
    assert len(rows) > 15
    for what, bound, name in rows:
        assert re.search(rf"(?<!\d){re.escape(declared[name])}(?!\d)", bound.replace(",", "")), f"{what}: {bound}"


def test_the_gas_of_more_signers_is_that_of_the_snapshots(project_root: Path) -> None:
    gas = json.loads((project_root / "contracts/snapshots/Submit.json").read_text())
    rows = re.findall(
        r"^\| this, a report of (\d+) feeds?, without the proof \|(.+)\|$",
        section(project_root, "Beside other feeds"),
        re.M,
    )
    assert [int(feeds) for feeds, _ in rows] == [1, 16]
    for feeds, cells in rows:
        *shown, further = (int(cell.replace(",", "")) for cell in cells.split("|"))
        signers = (1, 5, 10)
        measured = [int(gas[f"private-b{feeds}-q{each}-accept"]) / int(feeds) for each in signers]
        assert shown == pytest.approx(measured, rel=0.02)
        assert further == pytest.approx((measured[-1] - measured[0]) / (signers[-1] - signers[0]), rel=0.05)


def test_every_trust_assumption_names_a_test(project_root: Path) -> None:
    assumptions = re.split(r"\n(?=\d+\. )", section(project_root, "What you trust"))[1:]
    assert [int(each.split(".")[0]) for each in assumptions] == list(range(1, len(assumptions) + 1))
    assert [each.splitlines()[0] for each in assumptions if "::test" not in each and "::invariant" not in each] == []


def test_documented_solidity_compiles(project_root: Path) -> None:
    """Each piece is the body of a function, with the names that the text around it introduces."""
    interfaces = {
        path.name: path.read_text().replace('"./', '"')
        for path in (project_root / "contracts/src/interfaces").glob("*.sol")
    }
    imports = "".join(f'import "{name}";\n' for name in interfaces)
    pieces = [
        piece
        for document in documents(project_root)
        for piece in re.findall(r"^```solidity\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
    ]
    assert len(pieces) >= 6
    names = "address feed, address hub, bytes32 feedId, address registry, address base, address quote"
    names += ", address cards, bytes32 root, address updates"
    functions = "".join(
        f"function piece{index}({names}) external view {{\n{piece}}}\n" for index, piece in enumerate(pieces)
    )
    source = (
        f"// SPDX-License-Identifier: MIT\npragma solidity 0.8.30;\n{imports}contract Documented {{\n{functions}}}\n"
    )
    compile_standard(standard_input({**interfaces, "Documented.sol": source}, evm_version="cancun"), "0.8.30")


def test_every_command_and_every_option_is_explained() -> None:
    def walk(command: click.Command) -> None:
        assert command.help, command.name
        for option in command.params:
            assert not isinstance(option, click.Option) or option.help, f"{command.name} {option.name}"
        if isinstance(command, click.Group):
            for inner in command.commands.values():
                walk(inner)

    walk(command_line)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from oracle.cli import oracle; "
        "oracle.main(['--help'], standalone_mode=False); "
        "print([name for name in ('web3', 'ezkl', 'onnx', 'numpy', 'rich', 'sqlalchemy', 'pydantic') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("forbidden", ["http" + "s://registry.", "pypi" + ".org", "/" + "root/"])
def test_no_registry_and_no_path_of_a_machine_is_written_down(project_root: Path, forbidden: str) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=project_root, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        path = project_root / name
        if path.is_file() and path.suffix not in (".png", ".onnx"):
            assert forbidden not in path.read_text(errors="replace"), name


def test_packaged_services_run_what_there_is(project_root: Path) -> None:
    """The unit and the image use an existing command, its arguments, and the page for liveness."""
    unit = (project_root / "packaging/oracle.service").read_text()
    image = (project_root / "packaging/Containerfile").read_text()
    assert re.search(r"^ExecStart=\S+/oracle run --config \S+$", unit, re.MULTILINE)
    assert re.search(r'^CMD \["run", "--config", "\S+"\]$', image, re.MULTILINE)
    assert "--config" in {name for each in command_line.commands["run"].params for name in each.opts}
    assert f"RestartPreventExitStatus={ConfigError.exit_code}" in unit
    server = (project_root / "oracle/web/server.py").read_text()
    assert '"/healthz"' in server and "/healthz'" in image
