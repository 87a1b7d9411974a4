"""Tests of reports by the command line: they need no other file, and each mistake gives one line."""

from __future__ import annotations

import importlib.resources
import io
import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from oracle.cli import oracle
from oracle.cli.render.evaluation import print_comparison
from oracle.core.errors import OracleError
from oracle.detectors.evaluation import plots
from oracle.detectors.evaluation.comparison import compare
from oracle.detectors.evaluation.page import to_html
from oracle.detectors.evaluation.prepared import FeedOptions, prepare
from oracle.detectors.evaluation.recording import load_recording
from oracle.detectors.evaluation.wording import duration
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.sources.faults import FAULTS
from tests.evaluated_series import HOUR, recording, walk


def test_durations_for_people() -> None:
    assert [duration(seconds) for seconds in (45, 120, 3_600, 86_400, 259_200)] == [
        "45 s",
        "2 min",
        "1 h",
        "24 h",
        "3 d",
    ]


TRIED = ("decimal_shift", "zero", "negative", "spike_1", "spike_5", "spike_20", "stuck", "flash_crash", "wrong_asset")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluation")
    own = out / "own.toml"
    own.write_text('[[fault]]\nname = "half"\nvalue = "clean / 2"\n', encoding="utf-8")
    faults = [argument for kind in (*TRIED, "half", "source_zero") for argument in ("--fault", kind)]
    arguments = ["default", "--series", "nasdaq", "--peer", "sp500", "--count", "15", "--faults", str(own), *faults]
    result = run(*arguments, "--confirmations", "2", "--out", str(out / "report"))
    assert result.exit_code == 0, result.output
    assert "peers-v1" in result.output and "not tried: wrong_asset: needs another asset" in result.output
    return out / "report"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(oracle, ["detector", "evaluate", *arguments])


def test_a_report_on_a_packaged_series(report: Path) -> None:
    figures = json.loads((report / "report.json").read_text(encoding="utf-8"))
    assert figures["recording"]["name"] == "nasdaq"
    (first,) = figures["detectors"]
    assert first["name"] == "peers-v1"
    for kind in ("decimal_shift", "zero", "negative", "half"):
        assert first["faults"][kind]["recall"] == 1.0
    spike_recalls = [first["faults"][f"spike_{size}"]["recall"] for size in (1, 5, 20)]
    assert spike_recalls == sorted(spike_recalls) and spike_recalls[-1] == 1.0
    assert first["faults"]["stuck"]["recall"] >= 0.95
    assert first["faults"]["flash_crash"]["cleared"] == 1.0
    assert first["flips"]["flips"] == 0 and first["flips"]["of"] > 2_000
    assert first["false_holds_per_10000"] < 50
    assert first["cap"]["false_holds"] <= first["false_holds"]
    assert max(shock["held"] for shock in first["shocks"]) <= 3
    factors = [point["false_holds_per_10000"] for point in first["curve"]]
    assert factors[0] > factors[-1] == 0
    assert set(figures["skipped"]) == {"wrong_asset", "source_zero"}
    assert [peer["name"] for peer in figures["feed"]["peers"]] == ["sp500"]
    assert set(first["joint"]) == set(first["blind"]) == {"spike_1", "spike_5", "spike_20"}
    assert first["shock_rounds_max"] == max(shock["held"] for shock in first["shocks"])
    assert sum(first["reasons"].values()) == first["false_holds"]
    written = first["faults"]["spike_1"]
    assert written["written_mean"] == pytest.approx(1 - written["recall"], abs=1e-5)
    assert written["error_written"]["worst"] == pytest.approx(0.01, abs=1e-3)
    low, high = written["interval"]
    assert low <= written["interval_days"][0] <= written["recall"] <= written["interval_days"][1] <= high


def test_the_html_report_needs_nothing_else(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r"""(?:src|href|action|data)\s*=\s*["']([^"']*)""", page)
    assert len(sources) == 4 and all(source.startswith("data:image/png;base64,") for source in sources)
    without_pictures = re.sub(r"data:image/png;base64,[^\"]*", "", page)
    assert not re.search(r"https?:|//|url\(|@import|<script|<link|<iframe", without_pictures)
    assert {path.name for path in report.iterdir()} == {
        "report.html",
        "report.json",
        *(f"{name}.png" for name in ("series", "scores", "recall", "curve")),
    }


def test_no_table_of_the_page_runs_off_its_edge(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    assert page.count("<table") == page.count('<div class="wide"><table') == 4
    assert '<meta name="viewport"' in page
    assert "wrong ones written" in page and "ticks without an answer" in page and "clipped" in page


def test_a_terminal_of_80_columns_shows_names_and_reasons_whole() -> None:
    played = prepare(recording(walk(900)), FeedOptions(confirmations=2))
    name = "a-model-with-a-name-of-forty-characters-1"[:40]
    found = compare([replace(QuadraticModel.default(), name=name)], played, [FAULTS["drift_1"]], count=5, seed=1)
    loud = replace(found, warnings=("something [that] misleads",))
    told = io.StringIO()
    print_comparison(loud, Console(file=told, width=80))
    lines = told.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert any(name in line for line in lines)
    assert "WARNING: something [that] misleads" in lines
    (drift,) = [line for line in lines if line.startswith("  drift_1")]
    assert " of 10 " in drift, "what was written"


def test_pictures_of_several_recordings() -> None:
    played = prepare(recording(walk(900)), FeedOptions(confirmations=2))
    found = compare([QuadraticModel.default()], played, [FAULTS["spike_3"], FAULTS["spike_5"]], count=5, seed=1)
    for picture in (plots.panels({"one": found, "other": found}, plots.SPIKES), plots.curves({"one": found})):
        assert picture.startswith(b"\x89PNG")


def test_a_name_in_the_data_can_not_become_markup() -> None:
    played = prepare(replace(recording(walk(900)), name="<script>alert(1)</script>"), FeedOptions())
    page = to_html(compare([QuadraticModel.default()], played, [FAULTS["zero"]], count=5, seed=1, curve=False), {})
    assert "<script" not in page and "&lt;script&gt;" in page


def rows(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "data.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def good(count: int = 500) -> list[str]:
    return [f"{1_000_000 + HOUR * row},{value}" for row, value in enumerate(walk(count))]


def refusal(*arguments: str) -> str:
    result = run(*arguments)
    if isinstance(result.exception, OracleError):
        assert result.exception.exit_code == 2
        return str(result.exception)
    assert result.exit_code == 2, result.output
    return result.output


def test_clear_errors_for_bad_data(tmp_path: Path) -> None:
    def refused(*lines: str, options: tuple[str, ...] = ()) -> str:
        return refusal("default", "--data", str(rows(tmp_path, *lines)), *options)

    assert "no column is known to hold the values" in refused("time,a,b", "1,2,3")
    assert "is it a misspelt 'price'" in refused("time,prices,b", "1,2,3")
    assert "any of time, date may hold the times; name it with --time-column" in refused("time,date,value", "1,2,3")
    assert "there is no column 'vlue'; did you mean 'value'" in refused(
        "time,value", *good(), options=("--value-column", "vlue")
    )
    unsorted = good()
    unsorted[7] = unsorted[3]
    assert "data.csv:9: column 'time': '1010800' is before the time of the row above" in refused(
        "time,value", *unsorted
    )
    twice = good()
    twice[8] = twice[7]
    assert "repeats the time of the row above" in refused("time,value", *twice)
    nothing = good()
    nothing[4] = nothing[4].split(",")[0] + ",nan"
    assert "data.csv:6: column 'value': 'nan' is not a plain decimal number" in refused("time,value", *nothing)
    assert "100 usable rows are too few; 412 are needed" in refused("time,value", *good(100))
    below = good()
    below[300] = below[300].split(",")[0] + ",-3"
    assert "is not above zero; a feed of such values is --kind absolute" in refused("time,value", *below)
    still = [f"{1_000_000 + HOUR * row},5.00" for row in range(500)]
    assert "its first half does not move" in refused("time,value", *still)
    assert "at least 2 sources are demanded, but there are 1" in refused(
        "time,value", *good(), options=("--min-sources", "2")
    )


def test_rows_of_the_same_second_can_be_taken_by_their_last(tmp_path: Path) -> None:
    twice = good()
    twice[8] = twice[7].split(",")[0] + ",77"
    path = rows(tmp_path, "time,value", *twice)
    found = load_recording(path, keep_last=True)
    assert len(found) == 499 and found.venues["value"][7] == Decimal(77)


def test_clear_errors_for_bad_choices(tmp_path: Path) -> None:
    data = ("--data", str(rows(tmp_path, "time,value", *good())))
    assert "name at least one model" in refusal(*data)
    assert "--data FILE, or --series NAME" in refusal("default")
    assert "no such model file" in refusal("nowhere.json", *data)
    assert "there is no fault 'spike_4'; did you mean" in refusal("default", *data, "--fault", "spike_4")
    assert "no such file" in refusal("default", *data, "--faults", "nowhere.toml")
    assert "two models are called 'peers-v1'" in refusal("default", "default", *data)
    assert "there is no packaged series 'dax'" in refusal("default", "--series", "dax")
    small = ("--fault", "zero", "--count", "2", "--no-curve", "--out", str(tmp_path / "data.csv" / "out"))
    assert "can't be written" in refusal("default", *data, *small)
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    assert "broken.json can't be read: it ends in the middle" in refusal(str(tmp_path / "broken.json"), *data)


def test_the_pages_template_is_in_the_package() -> None:
    folder = importlib.resources.files("oracle.detectors.evaluation") / "templates"
    assert [each.name for each in folder.iterdir()] == ["report.html.jinja"]
