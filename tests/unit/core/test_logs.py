"""Tests of where the log goes."""

from __future__ import annotations

import contextlib
import io
import json

import structlog

from oracle.core import logs


def test_it_goes_to_standard_error_as_that_is_now() -> None:
    first, then = io.StringIO(), io.StringIO()
    log = structlog.get_logger("test")
    with contextlib.redirect_stderr(first):
        logs.configure("info")
        log.info("one", feed="eth")
    first.close()
    with contextlib.redirect_stderr(then):
        log.debug("two")
        log.warning("three")
    told = [json.loads(line) for line in then.getvalue().splitlines()]
    assert [(entry["event"], entry["level"]) for entry in told] == [("three", "warning")]
