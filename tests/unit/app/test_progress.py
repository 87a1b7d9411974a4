"""Tests of the lines that a deployment shows to a person."""

from __future__ import annotations

from oracle.app.progress import finished_steps


def test_finished_and_special_steps_are_shown_and_what_is_on_the_way_is_not() -> None:
    shown: list[str] = []
    show = finished_steps(shown.append)
    for line in (
        "hub: sending",
        "hub: signed 0x12ab",
        "hub: sent",
        "hub: mined in block 7",
        "hub: done",
        "the local chain was reset: deploying anew",
        "hub: no answer; trying again",
    ):
        show(line)
    assert shown == ["hub", "the local chain was reset: deploying anew", "hub: no answer; trying again"]
