"""Tests of fault injection: deterministic, marked truthfully, never overlapping, and true to the name of each kind."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.core.errors import DataError
from oracle.sources.faults import (
    CATALOGUE,
    FAULTS,
    SPACING,
    Fault,
    Injection,
    Surroundings,
    choose,
    inject,
    load_faults,
)
from oracle.sources.interface import Reading

LENGTHS = {fault.kind: fault.ticks for fault in CATALOGUE}
Series = dict[str, list[Reading]]


def walk(name: str, level: int, length: int = 600) -> list[Reading]:
    """Return a series that never repeats a value, with two decimal places."""
    return [Reading(Decimal(level + i) + Decimal("0.25"), 1_000 + i, name) for i in range(length)]


def two() -> Series:
    return {"b": walk("b", 1_000), "a": walk("a", 50_000)}


def test_the_same_seed_gives_the_same_faults() -> None:
    assert inject(two(), 7, 0.1, 20) == inject(two(), 7, 0.1, 20)
    assert inject(two(), 7, 0.1, 20) != inject(two(), 8, 0.1, 20)


def test_the_faults_of_a_seed_are_the_same_for_ever() -> None:
    # A change here changes every published figure of the demonstration.
    _, injections = inject(two(), 2008, 0.05, 20)
    starts = [(i.feed, i.index, i.kind) for i in injections if i.index == i.first]
    assert starts[:4] == PINNED
    assert len(starts) == PINNED_COUNT


PINNED = [("a", 33, "spike_10"), ("a", 71, "wrong_asset"), ("a", 78, "spike_20"), ("a", 87, "stuck")]
PINNED_COUNT = 40


@given(st.integers(0, 10**6), st.floats(0, 1), st.integers(1, 80), st.integers(1, 120))
def test_what_is_marked_is_what_was_changed(seed: int, rate: float, warmup: int, length: int) -> None:
    series = {"a": walk("a", 1_000, length), "b": walk("b", 5_000, length // 2)}
    before = {name: list(readings) for name, readings in series.items()}
    faulted, injections = inject(series, seed, rate, warmup)
    assert series == before
    assert list(faulted) == list(series)
    marked = {(i.feed, i.index): i for i in injections}
    assert len(marked) == len(injections)
    for name, readings in series.items():
        assert len(faulted[name]) == len(readings)
        for index, (clean, seen) in enumerate(zip(readings, faulted[name], strict=True)):
            assert (seen.observed_at, seen.source) == (clean.observed_at, clean.source)
            injection = marked.get((name, index))
            assert (injection is None) == (seen.value == clean.value)
            if injection is not None:
                assert (injection.original, injection.faulted) == (clean.value, seen.value)
                assert index >= warmup


@given(st.integers(0, 10**6))
def test_faults_of_a_feed_are_apart_and_of_full_length(seed: int) -> None:
    _, injections = inject(two(), seed, 1.0, 5)
    for feed in ("a", "b"):
        faults: dict[int, list[Injection]] = defaultdict(list)
        for injection in injections:
            if injection.feed == feed:
                faults[injection.first].append(injection)
        for first, ticks in faults.items():
            assert [tick.index for tick in ticks] == list(range(first, first + LENGTHS[ticks[0].kind]))
            assert len({tick.kind for tick in ticks}) == 1
        for one, next_ in pairwise(sorted(faults)):
            assert next_ - faults[one][-1].index > SPACING


def test_every_kind_occurs_about_equally_often() -> None:
    _, injections = inject(two(), 1, 1.0, 5)
    counts = Counter(i.kind for i in injections if i.index == i.first)
    assert set(counts) == {fault.kind for fault in CATALOGUE}
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_the_rate_is_about_kept(rate: float) -> None:
    _, injections = inject({"a": walk("a", 1_000, 20_000)}, 3, rate, 1)
    faults = [i for i in injections if i.index == i.first]
    occupied = sum(LENGTHS[i.kind] + SPACING for i in faults) - len(faults)
    assert abs(len(faults) / (20_000 - occupied) - rate) < rate / 5


def only(kind: str, series: Series | None = None) -> list[Injection]:
    catalogue = [fault for fault in CATALOGUE if fault.kind == kind]
    _, injections = inject(series or two(), 11, 0.2, 10, catalogue)
    assert len(injections) >= 10
    return injections


def test_decimal_shifts_move_the_point_both_ways() -> None:
    factors = {i.faulted / i.original for i in only("decimal_shift")}
    assert factors == {Decimal(10), Decimal("0.1")}


def test_zero_is_zero_and_negative_is_negative() -> None:
    assert {i.faulted for i in only("zero")} == {Decimal(0)}
    assert all(i.faulted == -i.original for i in only("negative"))


@pytest.mark.parametrize("percent", [3, 5, 10, 20])
def test_spikes_are_of_their_size_both_ways(percent: int) -> None:
    moves = {round((i.faulted / i.original - 1) * 100, 2) for i in only(f"spike_{percent}")}
    assert moves == {Decimal(percent), Decimal(-percent)}


def test_spikes_have_no_more_places_than_the_series() -> None:
    assert all(i.faulted.as_tuple().exponent == -2 for i in only("spike_3"))


def test_a_stuck_value_is_the_last_good_one() -> None:
    series = two()
    for i in only("stuck", series):
        assert i.faulted == series[i.feed][i.first - 1].value


def test_a_wrong_asset_is_the_other_series_at_the_same_tick() -> None:
    series = two()
    for i in only("wrong_asset", series):
        assert i.faulted == series["b" if i.feed == "a" else "a"][i.index].value


def test_a_drift_grows_in_one_direction() -> None:
    ramps: dict[tuple[str, int], list[Decimal]] = defaultdict(list)
    for i in only("drift"):
        ramps[i.feed, i.first].append(round((i.faulted / i.original - 1) * 100, 1))
    assert {tuple(ramp) for ramp in ramps.values()} == {
        tuple(Decimal(tick) for tick in range(1, 9)),
        tuple(Decimal(-tick) for tick in range(1, 9)),
    }


def test_one_series_has_no_wrong_asset() -> None:
    _, injections = inject({"a": walk("a", 1_000)}, 5, 1.0, 5)
    assert "wrong_asset" not in {i.kind for i in injections}
    assert {"drift", "stuck", "zero"} <= {i.kind for i in injections}


def test_series_too_short_for_any_fault_stay_clean() -> None:
    assert inject({"a": walk("a", 10, 3)}, 1, 1.0, 10) == ({"a": walk("a", 10, 3)}, [])
    assert inject({}, 1, 1.0, 10) == ({}, [])
    assert inject(two(), 1, 0.0, 10) == (two(), [])


@pytest.mark.parametrize(
    ("rate", "warmup", "catalogue"),
    [(1.5, 1, CATALOGUE), (-0.1, 1, CATALOGUE), (0.1, 0, CATALOGUE), (0.1, 1, ())],
)
def test_arguments_that_make_no_sense(rate: float, warmup: int, catalogue: tuple[Fault, ...]) -> None:
    with pytest.raises(ValueError, match=r"rate|warm-up|no faults"):
        inject(two(), 1, rate, warmup, catalogue)


def around(ticks: int, earlier: int = 30) -> Surroundings:
    """Return true values 100.00, 101.00, …: each tick is one more than the tick before."""
    known = [Decimal(f"{100 + tick}.00") for tick in range(earlier + ticks)]
    return Surroundings(tuple(known[earlier:]), known[earlier - 1], ((Decimal(7),) * ticks,), tuple(known[:earlier]))


def seen(kind: str, seed: int = 1) -> tuple[tuple[Decimal, ...], tuple[Decimal, ...]]:
    """Return the true and the faulty values of a fault of the catalogue."""
    fault = FAULTS[kind]
    surroundings = around(fault.ticks)
    return surroundings.clean, fault.apply(surroundings, random.Random(seed))


def test_each_fault_is_as_long_as_it_says_and_changes_something() -> None:
    for kind, fault in FAULTS.items():
        clean, faulty = seen(kind)
        assert len(faulty) == fault.ticks
        assert faulty != clean, kind


def test_a_pair_of_spikes_goes_one_way_and_then_the_other() -> None:
    clean, faulty = seen("spike_pair_5")
    off = [round((value / true - 1) * 100, 1) for value, true in zip(faulty, clean, strict=True)]
    assert off in ([5, -5], [-5, 5])


@pytest.mark.parametrize("kind", ["drift_0.1", "drift_0.2", "drift_0.5", "drift_1", "drift_2"])
def test_slow_drifts_end_ten_percent_away_in_equal_steps(kind: str) -> None:
    clean, faulty = seen(kind)
    off = [value / true - 1 for value, true in zip(faulty, clean, strict=True)]
    assert abs(round(off[-1], 3)) == Decimal("0.1")
    steps = {round(later - earlier, 3) for earlier, later in pairwise(off)}
    assert steps == {round(off[-1] / len(off), 3)}


def test_a_repetition_is_filled_anew_thrice() -> None:
    clean, faulty = seen("repeated")
    assert faulty == tuple(value for value in (clean[0], clean[4], clean[8]) for _ in range(4))


def test_delayed_values_are_the_true_ones_of_a_day_ago() -> None:
    clean, faulty = seen("delayed")
    assert faulty == tuple(value - 24 for value in clean)


def test_a_flash_crash_recovers_by_itself() -> None:
    clean, faulty = seen("flash_crash")
    off = [round(1 - value / true, 2) for value, true in zip(faulty, clean, strict=True)]
    assert max(off) == Decimal("0.1") and off[-1] == Decimal("0.01")
    assert FAULTS["flash_crash"].real


def test_a_source_lies_by_its_size() -> None:
    for size in (1, 5, 50):
        clean, faulty = seen(f"source_lies_{size}")
        assert {abs(round(value / true - 1, 2)) for value, true in zip(faulty, clean, strict=True)} == {
            Decimal(size) / 100
        }
        assert FAULTS[f"source_lies_{size}"].source


OWN = """
[[fault]]
name = "half"
value = "clean / 2"

[[fault]]
name = "ramp"
ticks = 4
value = "max(clean * (1 + sign * 0.01 * tick / ticks), earlier(3)) - 0 * (first + before + draw + abs(-tick ** 2))"
group = "drift"

[[fault]]
name = "quake"
ticks = 2
value = "clean * 0.9"
real = true
source = true
"""


def test_a_user_can_add_faults(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(OWN, encoding="utf-8")
    half, ramp, quake = load_faults(path)
    assert half.apply(around(1), random.Random(1)) == (Decimal("65.00"),)
    clean = around(4).clean
    for value, true, tick in zip(ramp.apply(around(4), random.Random(1)), clean, range(1, 5), strict=True):
        assert value in (
            round(true * (1 + Decimal(tick) / 400), 2),
            true - 3,
            round(true * (1 - Decimal(tick) / 400), 2),
        )
    assert (ramp.group, ramp.earlier, quake.real, quake.source) == ("drift", 3, True, True)
    assert choose(["half", "zero"], (half,)) == (half, FAULTS["zero"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"expected one or more \[\[fault\]\] entries"),
        ("[[fault]]\nvalue = 'clean'", "'name' is missing"),
        ("[[fault]]\nname = 'a'\nvalu = '1'", "unknown key 'valu'; did you mean 'value'"),
        ("[[fault]]\nname = 'a'\nvalue = 1", "value = 1 must be of type str"),
        ("[[fault]]\nname = 'A b'\nvalue = 'clean'", "name 'A b' must be lower-case"),
        ("[[fault]]\nname = 'a'\nticks = 0\nvalue = 'clean'", "ticks = 0 must be from 1"),
        ("[[fault]]\nname = 'a'\nvalue = 'clean +'", "is not an expression"),
        ("[[fault]]\nname = 'a'\nvalue = 'price * 2'", "'price' can't be used in a value; it knows clean"),
        ("[[fault]]\nname = 'a'\nvalue = '__import__(clean)'", "can't be used in a value"),
        ("[[fault]]\nname = 'a'\nvalue = 'clean.real'", "can't be used in a value"),
        ("[[fault]]\nname = 'a'\nvalue = 'earlier(0)'", r"earlier\(0\) must be 1 to"),
        ("[[fault]]\nname = 'a'\nvalue = '1'\n[[fault]]\nname = 'a'\nvalue = '2'", "two faults are called 'a'"),
        ("[[fault", "can't be read"),
    ],
)
def test_a_wrong_fault_file_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        load_faults(path)


def test_a_formula_without_a_value_says_where(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text("[[fault]]\nname = 'a'\nvalue = 'clean / (tick - 1)'", encoding="utf-8")
    (fault,) = load_faults(path)
    with pytest.raises(DataError, match=r"fault 1 \(a\).*has no value where clean is 130.00 and tick is 1"):
        fault.apply(around(1), random.Random(1))


def test_an_unknown_fault_is_named_with_what_may_be_meant() -> None:
    with pytest.raises(DataError, match="there is no fault 'spike_4'; did you mean 'spike_"):
        choose(["spike_4"])
