"""Tests of the benchmark of a folder of models: what is found, limits, rows of any end, and the table."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from oracle.bench.suite import run as suite_run
from oracle.bench.suite.limited import run_limited
from oracle.bench.suite.subjects import SAMPLES, Subject, find, samples_of, spread
from oracle.bench.suite.table import RESULTS, faults, markdown, reasons, summary
from oracle.cli import oracle
from oracle.core.errors import DataError

GIB = 1 << 30


def model_file(path: Path, content: bytes = b"onnx") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of three models in both layouts."""
    model_file(tmp_path / "models" / "deep" / "network.onnx")
    (tmp_path / "models" / "deep" / "input.json").write_text('{"input_data": [[1, 2], [[3], [4]]]}')
    model_file(tmp_path / "models" / "tree.onnx")
    np.save(tmp_path / "models" / "tree.npy", np.arange(6.0).reshape(3, 2))
    model_file(tmp_path / "models" / "bare.onnx")
    (tmp_path / "models" / "notes.txt").write_text("no model")
    return tmp_path / "models"


def test_both_layouts_are_found(folder: Path) -> None:
    found = {each.name: each.inputs and each.inputs.name for each in find(folder)}
    assert found == {"bare": None, "deep": "input.json", "tree": "tree.npy"}
    assert [each.name for each in find(folder, ["t*", "deep"])] == ["deep", "tree"]
    assert [each.name for each in find(folder / "deep")] == ["deep"]


def test_a_model_is_known_by_its_bytes_its_data_and_its_samples(tmp_path: Path) -> None:
    """Weights that lie in another file are part of the model, whatever that file's name is."""
    weights = numpy_helper.from_array(np.zeros(64, dtype=np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])],
        [weights],
    )
    path, beside = tmp_path / "m.onnx", tmp_path / "elsewhere.bin"
    onnx.save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8),
        path,
        save_as_external_data=True,
        location=beside.name,
        size_threshold=0,
    )
    np.save(tmp_path / "m.npy", np.zeros((1, 64)))
    seen = {find(tmp_path)[0].digest(), find(tmp_path)[0].digest()}
    beside.write_bytes(np.ones(64, dtype=np.float32).tobytes())
    seen.add(find(tmp_path)[0].digest())
    np.save(tmp_path / "m.npy", np.ones((1, 64)))
    seen.add(find(tmp_path)[0].digest())
    assert len(seen) == 3


def test_a_folder_without_models_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        find(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no models"):
        find(tmp_path / "empty")
    with pytest.raises(DataError, match="no model named x or y; the first is deep"):
        find(folder, ["x", "y"])
    model_file(folder / "deep.onnx")
    with pytest.raises(DataError, match="two models named deep"):
        find(folder)


def test_inputs_are_one_row_after_the_other(folder: Path) -> None:
    deep, tree = (
        Subject(name, folder / "x.onnx", folder / file)
        for name, file in (("deep", "deep/input.json"), ("tree", "tree.npy"))
    )
    assert samples_of(deep, 4).tolist() == [[1, 2, 3, 4]]
    assert samples_of(tree, 2).tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("input.json", '{"input_data": [[1, 2, 3]]}', "3 numbers; m takes 2"),
        ("input.json", '{"input_data": [["a"]]}', "has no samples: ValueError"),
        ("input.json", '{"other": []}', "has no samples: KeyError"),
        ("input.json", '{"input_data": [[1e999, 1]]}', "m"),
        ("m.csv", "1,nan\n", "not finite"),
    ],
)
def test_inputs_that_are_none_are_refused(tmp_path: Path, file: str, content: str, reason: str) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=reason):
        samples_of(Subject("m", tmp_path / "m.onnx", tmp_path / file), 2)
    with pytest.raises(DataError, match=r"put input.json or m.npy beside"):
        samples_of(Subject("m", tmp_path / "m.onnx", None), 2)


def test_samples_close_by_keep_integers_and_zeros() -> None:
    near = spread(np.array([[4.0, 4.0, 0.0]]), 1, np.array([False, True, False]))
    assert near.shape == (SAMPLES, 3)
    assert len(np.unique(near[:, 0])) == SAMPLES and np.abs(near[:, 0] - 4).max() < 2
    assert (near[:, 1] == 4).all() and (near[:, 2] == 0).all()
    assert (near == spread(np.array([[4.0, 4.0, 0.0]]), 1, np.array([False, True, False]))).all()
    assert (near != spread(np.array([[4.0, 4.0, 0.0]]), 2, np.array([False, True, False]))).any()


def script(path: Path, body: str) -> list[str]:
    path.write_text(textwrap.dedent(body))
    return [sys.executable, str(path)]


def test_a_process_that_takes_too_much_memory_is_killed_with_its_children(tmp_path: Path) -> None:
    """The hog is a grandchild in a session of its own, as the processes that run ezkl are."""
    command = script(
        tmp_path / "parent.py",
        f"""
        import pathlib, subprocess, sys, time
        hog = "a = bytearray(200 << 20); a[::4096] = b'x' * len(a[::4096]); import time; time.sleep(60)"
        child = subprocess.Popen([sys.executable, "-c", hog], start_new_session=True)
        pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(child.pid))
        time.sleep(60)
        """,
    )
    ending = run_limited(command, tmp_path / "log", seconds=600, memory=150 << 20)
    assert ending.why == "memory"
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_process_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    command = script(tmp_path / "slow.py", "import time; print('still here', flush=True); time.sleep(600)")
    log, looks = tmp_path / "log", itertools.count(1)

    def stage() -> int:
        """Return another stage at each look until the process has begun to work, however long that takes."""
        return 0 if log.exists() and log.read_bytes() else next(looks)

    ending = run_limited(command, log, seconds=0.5, memory=GIB, stage=stage)
    assert (ending.why, ending.words) == ("time", "still here")


def test_a_process_ends_with_its_parent(tmp_path: Path) -> None:
    """The parent is killed, so that it can't end its child itself."""
    child = (
        "import threading; from oracle.bench.suite.limited import end_with_parent; end_with_parent(); "
        "print('up', flush=True); threading.Event().wait(120)"
    )
    command = script(
        tmp_path / "parent.py",
        f"""
        import os, signal, subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE)
        child.stdout.readline()
        print(child.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    killed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(killed.stdout)).wait(30)


def test_each_stage_has_the_whole_time(tmp_path: Path) -> None:
    looks = itertools.count()  # another stage at each look
    command = script(tmp_path / "slow.py", "import time; time.sleep(1.5)")
    assert run_limited(command, tmp_path / "log", 0.4, GIB, lambda: next(looks)).why == ""


CHILD = """
import json, os, pathlib, sys, time
job = json.loads(pathlib.Path(sys.argv[1]).read_text())
row = pathlib.Path(job["row"])
def note(**facts):
    row.with_name("part").write_text(json.dumps({"name": job["name"], **facts}))
    os.replace(row.with_name("part"), row)
with open(os.environ["SEEN"], "a") as seen:
    seen.write(job["name"] + "\\n")
built = {"result": "exact", "why": "", "k": 6, "prove_s": 0.5, "build_s": 2.0, "build_cpu_s": 3.0, "memory_mb": 50.0}
built |= {"proof_bytes": 1856, "error": 0.1, "limit": 0.2, "rule": "tolerance"}
proven = {"result": "proven", "over_ours": 8.0, "cpu_over_ours": 9.0, "memory_mb": 400.0}
proven |= {"setup_s": 1.0, "setup_cpu_s": 1.5, "prove_s": 4.0}
match job["name"]:
    case "bare":
        note(result="", doing="tuning")
        os.abort()
    case "deep":
        note(**built, defaults={"result": "", "doing": "set-up"})
        hog = bytearray(400 << 20)
        hog[::4096] = b"x" * len(hog[::4096])
        time.sleep(600)
    case "tree":
        note(**built, defaults=proven)
"""


def measured(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    monkeypatch.setattr(suite_run, "versions", lambda: {"commit": "abc"})
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    child = script(tmp_path / "child.py", CHILD)
    report = suite_run.measure_models(
        folder, out=tmp_path / "r.json", echo=said.append, child=child, memory=300 << 20, **options
    )
    return report, said


def test_a_crash_is_a_row_and_the_next_run_continues(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, said = measured(folder, tmp_path, monkeypatch)
    rows = report["models"]
    assert rows["bare"]["result"] == "crashed" and rows["bare"]["why"].startswith("signal 6 while tuning")
    # What was known of our circuit is kept when ezkl's defaults take too much.
    assert rows["deep"]["result"] == "exact" and rows["deep"]["prove_s"] == 0.5
    assert rows["deep"]["defaults"] == {"result": "stopped", "why": "stopped at 0.293 GiB, while set-up"}
    assert json.loads((tmp_path / "r.json").read_text())["models"] == rows
    assert "3 models: 2 exact, 1 crashed" in said
    assert "ezkl's defaults prove 1 of 2" in said
    assert any(
        "8× faster" in each
        and "9× less CPU" in each
        and "1/8 of the memory" in each
        and "in 2 of the time of ezkl's pipeline, with 2 of its CPU" in each
        for each in said
    )

    # Nothing is measured twice, unless its file changed.
    model_file(folder / "bare.onnx", b"another")
    again, said = measured(folder, tmp_path, monkeypatch)
    assert again["models"].keys() == rows.keys()
    assert (tmp_path / "seen").read_text().split() == ["bare", "deep", "tree", "bare"]
    assert sum("measured before" in each for each in said) == 2


def test_another_measurement_is_not_mixed_with_this_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(folder, tmp_path, monkeypatch, patterns=["tree"])
    with pytest.raises(DataError, match="is of other options"):
        measured(folder, tmp_path, monkeypatch, patterns=["tree"], defaults=False)
    (tmp_path / "r.json").write_text('{"default-private-b1": {}}')
    with pytest.raises(DataError, match="is of other options"):
        measured(folder, tmp_path, monkeypatch, patterns=["tree"])


def row(name: str, result: str, **facts: Any) -> dict[str, Any]:
    built: dict[str, Any] = {
        "k": 6,
        "prove_s": 0.5,
        "build_s": 2.0,
        "build_cpu_s": 3.0,
        "memory_mb": 50.0,
        "proof_bytes": 1856,
    }
    built |= {"error": 0.1, "limit": 0.2, "rule": "tolerance"}
    return {"name": name, "result": result, "why": "", **(built if result in ("exact", "approximate") else {}), **facts}


def test_the_table_has_a_row_for_every_end() -> None:
    why = "m can't be proven as it is, for 2 reasons: (1) node a (Foo): it is a|b; advice (2) node b (Bar): more"
    rows = {each: row(each, each, why="" if each in ("exact", "approximate") else why) for each in RESULTS}
    rows["exact"]["defaults"] = {
        "result": "proven",
        "over_ours": 8.0,
        "cpu_over_ours": 9.0,
        "memory_mb": 400.0,
        "setup_s": 1.0,
        "setup_cpu_s": 1.5,
        "prove_s": 4.0,
    }
    rows["wrong"]["defaults"] = {"result": "refused", "why": "no"}
    report = {"models": rows}
    lines = markdown(report).splitlines()
    assert len(lines) == 2 + len(RESULTS)
    assert len({line.count("|") for line in lines}) == 1
    assert (
        "| `exact` | exact | 6 | 0.500 s | 8× | 9× | 50 MB | 400 MB | 1,856 B | 2.0 s | 1.0 s | 3.0 s | 1.5 s | 0.5 |"
        in lines
    )
    assert any("refused: node a (Foo): it is a/b; advice |" in line for line in lines)
    searched = {
        name: value for name, value in rows["exact"].items() if name in ("name", "result", "error", "limit", "rule")
    }
    assert markdown({"models": {"a": searched}}).splitlines()[-1] == "| `exact` | exact | 0.5 |"
    assert faults(report) == ["wrong", "crashed"]
    assert len(reasons(report)) == len(RESULTS) - 2
    assert summary(report)[0].startswith(f"{len(RESULTS)} models: 1 exact, 1 approximate, 1 refused")
    assert summary({"models": {"exact": rows["exact"]}})[0] == "1 model: 1 exact"


@pytest.mark.parametrize(
    ("result", "least", "code"),
    [
        ("exact", None, 0),
        ("approximate", 1, 0),
        ("refused", 0, 0),
        ("refused", None, 1),
        ("exact", 2, 1),
        ("wrong", 0, 1),
        ("crashed", 0, 1),
    ],
)
def test_the_command_fails_if_a_model_is_wrong_or_crashed_or_too_few_are_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: str, least: int | None, code: int
) -> None:
    asked: dict[str, Any] = {}

    def measure(folder: Path, **options: Any) -> dict[str, Any]:
        asked.update(options, folder=folder)
        return {"models": {"m": row("m", result)}}

    monkeypatch.setattr(suite_run, "measure_models", measure)
    options = ["--no-defaults", "--memory-limit", "2", "--time-limit", "9"]
    options += [] if least is None else ["--at-least", str(least)]
    done = CliRunner().invoke(oracle, ["bench", "models", str(tmp_path), *options])
    assert done.exit_code == code, done.output
    assert "| `m` |" in done.output
    assert (asked["defaults"], asked["memory"], asked["seconds"], asked["folder"]) == (False, 2 * GIB, 9, tmp_path)
    assert asked["rules"].approximate is True
