"""The evaluation of detectors: its replay is the gate's, faults are tried on their own, reports stand alone."""

from __future__ import annotations

import importlib.resources
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.cli import oracle
from oracle.core import encoding, gate
from oracle.core.errors import DataError, OracleError
from oracle.core.gate import HoldPolicy
from oracle.core.types import HoldReason, Kind, Outcome
from oracle.detectors.evaluation import plots
from oracle.detectors.evaluation.caps import StaticCap, matching_cap
from oracle.detectors.evaluation.comparison import compare
from oracle.detectors.evaluation.figures import document
from oracle.detectors.evaluation.page import to_html
from oracle.detectors.evaluation.prepared import FeedOptions, FeedSettings, Prepared, prepare, tick_of
from oracle.detectors.evaluation.recording import Recording, load_recording
from oracle.detectors.evaluation.replay import Judge, Scoring, replay
from oracle.detectors.evaluation.scaling import severity
from oracle.detectors.evaluation.shocks import shocks
from oracle.detectors.evaluation.trials import place, try_all
from oracle.detectors.evaluation.wording import duration
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.sources.aggregate import AggregationPolicy
from oracle.sources.faults import FAULTS

SIGMA = 10_000
"""One percent."""

HOUR = 3_600


def recording(values: Sequence[Decimal | str | None], name: str = "series") -> Recording:
    told = tuple(None if value is None else Decimal(value) for value in values)
    return Recording(name, tuple(1_000_000 + HOUR * row for row in range(len(told))), {"one": told})


def prepared(
    values: Sequence[Decimal | str], policy: HoldPolicy, begin: int = 16, kind: Kind = Kind.RELATIVE
) -> Prepared:
    feed = FeedSettings(kind, 2, SIGMA if kind is Kind.RELATIVE else 100, HOUR, policy, AggregationPolicy(kind))
    data = recording(values)
    ticks = tuple(tick_of(data, index, feed.aggregation, feed.decimals) for index in range(len(data)))
    return Prepared(data, feed, ticks, begin)


def walk(length: int, seed: int = 1, percent: float = 0.5) -> list[str]:
    """A random walk of about half a percent a tick."""
    rng = random.Random(seed)
    values, level = [], 1000.0
    for _ in range(length):
        level *= 1 + rng.gauss(0, percent) / 100
        values.append(f"{level:.2f}")
    return values


def step_by_step(detector: Scoring, data: Prepared) -> list[tuple[bool, HoldReason]]:
    """What the gate itself makes of each report, without any short cut."""
    judge = Judge(detector, data.feed)
    state, found = judge.empty(), []
    for tick in data.ticks:
        assert tick.answer is not None
        window = encoding.features(state, tick.answer, tick.time, detector.features)
        scores = detector.score_int(window)
        verdict = gate.judge(
            state,
            data.feed.policy,
            tick.answer,
            tick.time,
            scores,
            score_unit=detector.score_unit,
            published_at=tick.time,
        )
        state = verdict.state
        found.append((verdict.outcome is Outcome.HELD, verdict.reason))
    return found


@settings(max_examples=40)
@given(st.data())
def test_the_replay_is_the_gates_step_by_step(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(Kind))
    values = walk(120, seed=data.draw(st.integers(0, 1_000)))
    for _ in range(data.draw(st.integers(0, 6))):
        at, length = data.draw(st.integers(0, 110)), data.draw(st.integers(1, 12))
        what = data.draw(st.sampled_from(("level", "stuck", "jump")))
        for row in range(at, min(len(values), at + length)):
            value = Decimal(values[at - 1]) if what == "stuck" else Decimal(values[row]) * Decimal("1.3")
            values[row] = f"{value if what != 'jump' or row == at else Decimal(values[row]):.2f}"
    policy = HoldPolicy(
        confirmations=data.draw(st.integers(1, 3)),
        confirm_delay=data.draw(st.sampled_from((0, HOUR, 5 * HOUR))),
        tolerance=data.draw(st.sampled_from((500, 3_000))),
        max_repeats=data.draw(st.integers(0, 3)),
    )
    detectors: tuple[Scoring, ...] = (QuadraticModel.default(), StaticCap(1_500))
    detector = data.draw(st.sampled_from(detectors))
    played = prepared(values, policy, kind=kind)
    fast = replay(Judge(detector, played.feed), played)
    slow = step_by_step(detector, played)
    assert [(fast.held(number), fast.reason(number)) for number in range(len(values))] == slow


def test_the_holds_of_a_series_made_by_hand() -> None:
    # Calm at 100; one spike; then a new level, which is confirmed by the second further report; then stuck.
    calm = [f"{100 + row % 2 * 0.1:.2f}" for row in range(30)]
    stuck = [f"{120 + row % 2 * 0.1:.2f}" for row in range(6)] + ["120.30"] * 6 + ["120.40"]
    values = [*calm, "110.00", *calm[:4], "120.00", "120.10", *stuck]
    played = prepared(values, HoldPolicy(2, HOUR, 1_000, max_repeats=3))
    found = replay(Judge(StaticCap(5_000), played.feed), played)
    held = {number: found.reason(number) for number in found.numbers if found.held(number)}
    assert held == {
        30: HoldReason.ANOMALOUS,
        35: HoldReason.ANOMALOUS,
        36: HoldReason.ANOMALOUS,
        47: HoldReason.REPEATED,
        48: HoldReason.REPEATED,
    }
    assert found.reason(37) is HoldReason.ANOMALOUS, "confirmed although the model still objects"
    assert found.holds() == len(held)
    assert found.state(38).answer == 12_000


def test_warm_up_is_played_but_not_counted() -> None:
    values = walk(300)
    values[150] = "2000.00"
    early, late = prepared(values, HoldPolicy(2, 0, 3_000), begin=140), prepared(values, HoldPolicy(2, 0, 3_000), 160)
    judge = Judge(StaticCap(5_000), early.feed)
    assert replay(judge, early).holds() == 1
    assert replay(judge, late).holds() == 0
    assert late.history.indices[replay(judge, late).first] == 160 - 64


def test_faults_are_tried_on_their_own_and_alike_for_all_kinds() -> None:
    played = prepared(walk(600), HoldPolicy(2, HOUR, 3_000, max_repeats=2))
    large, small = (place(played, FAULTS[kind], 40, seed=5) for kind in ("spike_10", "spike_1"))
    assert [trial.first for trial in large] == [trial.first for trial in small]
    assert place(played, FAULTS["spike_10"], 40, seed=5) == large
    assert place(played, FAULTS["spike_10"], 40, seed=6) != large
    assert min(trial.first for trial in large) >= played.begin
    judge = Judge(StaticCap(4_000), played.feed)
    clean = replay(judge, played)
    caught = [result for result in try_all(judge, played, clean, large) if result is not None]
    assert all(result.caught and result.latency == 1 and result.written == 0 for result in caught)
    assert all(result.cleared and result.after == 0 for result in caught)
    missed = [result for result in try_all(judge, played, clean, small) if result is not None]
    assert not any(result.caught for result in missed)
    assert all(result.written == 1 and result.worst == pytest.approx(0.01, abs=1e-4) for result in missed)


def test_a_stuck_value_is_held_one_report_after_the_rule_allows() -> None:
    played = prepared(walk(600), HoldPolicy(2, HOUR, 3_000, max_repeats=2))
    trials = place(played, FAULTS["stuck"], 20, seed=1)
    assert {len(trial.ticks) for trial in trials} == {6}
    judge = Judge(StaticCap(30_000), played.feed)
    results = try_all(judge, played, replay(judge, played), trials)
    # The last true report is the first of its value; the third repetition is one too many.
    assert {result.latency for result in results if result is not None} == {3}
    assert {result.reason for result in results if result is not None} == {HoldReason.REPEATED}


def test_a_place_that_the_recording_disturbs_is_left_out() -> None:
    values = walk(600)
    values[300] = "5000.00"
    played = prepared(values, HoldPolicy(2, HOUR, 3_000))
    judge = Judge(StaticCap(4_000), played.feed)
    clean = replay(judge, played)
    assert [number for number in clean.numbers if clean.held(number)] == [300]
    trials = place(played, FAULTS["spike_20"], 10_000, seed=1)
    results = try_all(judge, played, clean, trials)
    disturbed = [trial.first for trial, result in zip(trials, results, strict=True) if result is None]
    assert sorted(disturbed) == [299, 300, 301]


def venues(liar: bool = True) -> Recording:
    values = [Decimal(value) for value in walk(600)]
    other = tuple(value + Decimal("0.01") for value in values)
    third = tuple(None if row % 50 == 0 else value - Decimal("0.01") for row, value in enumerate(values))
    times = tuple(1_000_000 + HOUR * row for row in range(600))
    return Recording("venues", times, {"a": tuple(values), "b": other, "c": third})


def test_one_source_that_lies_writes_nothing() -> None:
    played = prepare(venues(), FeedOptions(decimals=2, min_sources=2, max_source_spread=Decimal(20_000)))
    judge = Judge(StaticCap(30_000), played.feed)
    clean = replay(judge, played)
    for kind in ("source_lies_5", "source_lies_50", "source_shift", "source_zero"):
        trials = place(played, FAULTS[kind], 30, seed=1)
        results = [result for result in try_all(judge, played, clean, trials) if result is not None]
        assert len(results) == 30 and all(result.caught for result in results), kind
    assert place(prepared(walk(600), HoldPolicy(2, 0, 0)), FAULTS["source_zero"], 5, seed=1) == []


@dataclass(frozen=True, slots=True)
class SpreadCap(StaticCap):
    """Objects to reports whose sources are far apart: the last but one feature."""

    spread: bool = True
    features: int = 5

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        return (features[-2] - self.limit,)


def test_a_detector_sees_the_spread_of_the_venues() -> None:
    data = venues()
    told = {**data.venues, "b": tuple(v and (v * 2 if row == 400 else v) for row, v in enumerate(data.venues["b"]))}
    played = prepare(replace(data, venues=told), FeedOptions(decimals=2, min_sources=2))
    judge = Judge(SpreadCap(20_000, name="spread"), played.feed)
    found = replay(judge, played)
    assert [number for number in found.numbers if found.held(number)] == [found.history.number(400)]
    assert found.window(found.history.number(400))[-2] == encoding.CLIP
    assert all(
        found.window(number) == judge.window(found.state(number), played.ticks[number]) for number in found.numbers
    )


def test_two_sources_that_disagree_give_no_report() -> None:
    data = venues()
    two = Recording("two", data.times, {"a": data.venues["a"], "b": data.venues["b"]})
    played = prepare(two, FeedOptions(decimals=2, max_source_spread=Decimal(20_000)))
    judge = Judge(StaticCap(30_000), played.feed)
    (result,) = try_all(judge, played, replay(judge, played), place(played, FAULTS["source_lies_50"], 1, seed=1))
    assert result is not None and result.caught and result.silent == 3 and result.written == 0


def test_what_is_not_given_is_found_in_the_first_half_alone() -> None:
    values = walk(1_000)
    values[100:103] = [values[100]] * 3
    first = prepare(recording(values), FeedOptions())
    wild = [*values[:500], *(f"{float(value) * (1 + 0.2 * (row % 2)):.2f}" for row, value in enumerate(values[500:]))]
    second = prepare(recording(wild), FeedOptions())
    assert first.feed == second.feed
    assert first.feed.heartbeat == HOUR
    assert first.feed.policy.max_repeats == 4, "two more than the longest run of two repetitions"
    assert first.feed.sigma == pytest.approx(5_000, rel=0.1)
    assert first.begin == 500


def test_the_cap_beside_a_detector_is_the_lowest_with_as_many_holds() -> None:
    played = prepared(walk(800, percent=1.0), HoldPolicy(2, HOUR, 3_000))
    for holds in (0, 3, 10):
        cap = matching_cap(played, holds)
        lower = StaticCap(cap.limit - 1)
        assert replay(Judge(cap, played.feed), played).holds() <= holds
        assert replay(Judge(lower, played.feed), played).holds() > holds


def test_severity_is_above_one_where_a_detector_objects() -> None:
    model = QuadraticModel.default()
    rng = random.Random(3)
    for _ in range(300):
        window = (
            rng.randint(-9_000, 9_000),
            *(rng.randint(-2_000, 2_000) for _ in range(14)),
            rng.randint(1_000, 3_000),
        )
        assert (severity(model, window) > 1) == (max(model.score_int(window)) > 0)


def test_the_largest_real_moves_are_listed_once_each_with_their_holds() -> None:
    values = walk(600)
    for row in range(300, 600):
        values[row] = f"{float(values[row]) * 1.2:.2f}"
    values[450] = f"{float(values[450]) * 0.8:.2f}"
    played = prepared(values, HoldPolicy(2, HOUR, 3_000))
    judge = Judge(StaticCap(5_000), played.feed)
    found = shocks(played, replay(judge, played))
    assert {shock.index for shock in found[:2]} == {300, 450} or {shock.index for shock in found[:2]} == {300, 451}
    level = next(shock for shock in found if shock.index == 300)
    assert (level.held, level.held_s) == (2, 2 * HOUR)
    assert level.move == pytest.approx(0.2, abs=0.02)
    assert all(abs(a.index - b.index) >= 14 for a in found for b in found if a is not b)


def test_durations_for_people() -> None:
    assert [duration(seconds) for seconds in (45, 120, 3_600, 86_400, 259_200)] == [
        "45 s",
        "2 min",
        "1 h",
        "24 h",
        "3 d",
    ]


# --- end to end, on a series that a package carries -----------------------------------------------------------------


TRIED = ("decimal_shift", "zero", "negative", "spike_1", "spike_5", "spike_20", "stuck", "flash_crash", "wrong_asset")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluation")
    own = out / "own.toml"
    own.write_text('[[fault]]\nname = "half"\nvalue = "clean / 2"\n', encoding="utf-8")
    faults = [argument for kind in (*TRIED, "half", "source_zero") for argument in ("--fault", kind)]
    arguments = ["default", "--series", "nasdaq", "--count", "15", "--faults", str(own), *faults]
    result = run(*arguments, "--confirmations", "2", "--out", str(out / "report"))
    assert result.exit_code == 0, result.output
    assert "quadratic-v1" in result.output and "not tried: wrong_asset: needs another asset" in result.output
    return out / "report"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(oracle, ["detector", "evaluate", *arguments])


def test_a_report_on_a_packaged_series(report: Path) -> None:
    figures = json.loads((report / "report.json").read_text(encoding="utf-8"))
    assert figures["recording"]["name"] == "nasdaq"
    (first,) = figures["detectors"]
    assert first["name"] == "quadratic-v1"
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


def test_the_same_seed_gives_the_same_report() -> None:
    played = prepare(recording(walk(900)), FeedOptions(confirmations=2))
    chosen = [FAULTS[kind] for kind in ("spike_3", "drift_1", "stuck")]
    first, again, other = (
        compare([QuadraticModel.default()], played, chosen, count=10, seed=seed, curve=False) for seed in (1, 1, 2)
    )
    assert document(first) == document(again) != document(other)
    assert to_html(first, {}) == to_html(again, {})


def test_pictures_of_several_recordings() -> None:
    played = prepare(recording(walk(900)), FeedOptions(confirmations=2))
    found = compare([QuadraticModel.default()], played, [FAULTS["spike_3"], FAULTS["spike_5"]], count=5, seed=1)
    for picture in (plots.panels({"one": found, "other": found}, plots.SPIKES), plots.curves({"one": found})):
        assert picture.startswith(b"\x89PNG")


def test_several_detectors_are_tried_at_the_same_places() -> None:
    played = prepare(recording(walk(900)), FeedOptions(confirmations=2))
    models = [QuadraticModel.default(), replace(QuadraticModel.default(), name="other")]
    found = compare(models, played, [FAULTS["spike_3"], FAULTS["drift_1"]], count=10, seed=1, curve=False)
    first, other = document(found)["detectors"]
    assert (first["name"], other["name"]) == ("quadratic-v1", "other")
    assert {**first, "name": ""} == {**other, "name": ""}, "the same weights"


def test_limits_scaled_to_a_budget_hold_no_more_than_it() -> None:
    played = prepare(recording(walk(1_200, percent=1.0)), FeedOptions(confirmations=2))
    found = compare([QuadraticModel.default()], played, [FAULTS["spike_5"]], count=40, seed=1, curve=False, scale_to=50)
    (scaled,), (cap,) = found.evaluations, found.caps
    assert scaled.false_holds.hits <= 3 and cap.false_holds.hits <= 3, "50 of 10,000 are 3 of 600"
    assert scaled.factor != 1.0 and max(scaled.severities) > 1
    plain = compare([QuadraticModel.default()], played, [FAULTS["spike_5"]], count=40, seed=1, curve=False)
    assert (plain.evaluations[0].false_holds.hits < scaled.false_holds.hits) == (scaled.factor < 1)


def test_a_name_in_the_data_can_not_become_markup() -> None:
    played = prepare(replace(recording(walk(900)), name="<script>alert(1)</script>"), FeedOptions())
    page = to_html(compare([QuadraticModel.default()], played, [FAULTS["zero"]], count=5, seed=1, curve=False), {})
    assert "<script" not in page and "&lt;script&gt;" in page


# --- bad input -------------------------------------------------------------------------------------------------------


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
    assert "100 usable rows are too few; 414 are needed" in refused("time,value", *good(100))
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
    assert "two models are called 'quadratic-v1'" in refusal("default", "default", *data)
    assert "there is no packaged series 'dax'" in refusal("default", "--series", "dax")
    small = ("--fault", "zero", "--count", "2", "--no-curve", "--out", str(tmp_path / "data.csv" / "out"))
    assert "can't be written" in refusal("default", *data, *small)
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    assert "is not JSON" in refusal(str(tmp_path / "broken.json"), *data)


def test_a_model_with_features_that_no_feed_has() -> None:
    feed = prepared(walk(100), HoldPolicy(1, 0, 0)).feed
    with pytest.raises(DataError, match="model wide has 20 features; a feed has a move"):
        Judge(StaticCap(1_000, name="wide", features=20), feed)


def test_the_pages_template_is_in_the_package() -> None:
    folder = importlib.resources.files("oracle.detectors.evaluation") / "templates"
    assert [each.name for each in folder.iterdir()] == ["report.html.jinja"]
