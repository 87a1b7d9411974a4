"""Set up logging: structlog writes to standard error, one JSON object a line if that is not a terminal."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import structlog


def place_of(error: BaseException) -> str:
    """Return where an error was raised, as "pool.py:212 prove", for logs that must not have its text."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}"


def configure(level: str) -> None:
    """Set the level (`debug`, `info`, `warning`, `error`) and the format. It may be called again."""
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        # Standard error is looked up at each line: the stream of the first line may be closed by now.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
