"""`oracle top`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oracle.cli.options import FiniteRange, config_option, json_option, load_config

# Commands import what they need when they run, so that `oracle --help` answers at once.
if TYPE_CHECKING:
    import asyncio

    from oracle.config import Config

_KEYS = "q ends"


@click.command("top")
@click.option(
    "--interval",
    type=FiniteRange(min=0.2, max=3_600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Print the page once and end; so it is done where no terminal is.")
@click.option("--utc", is_flag=True, help="Times in UTC, not in this machine's zone.")
@config_option
@json_option
def top_command(interval: float, once: bool, utc: bool, config_path: Path, as_json: bool) -> None:
    """Watch feeds, sources, provers, transactions, and what is in their way, on a page that is kept up to date.

    It needs the chain for the feeds, and a daemon with [web] listen for the rest; what is not there is said. Press q or
    Ctrl-C to end. Once, with --once or --json: exits with 1 if the chain or the daemon can't be read.
    """
    import asyncio

    from oracle.app.top import look_once
    from oracle.cli.render.top import print_top

    config = load_config(config_path)
    if once or as_json or not sys.stdout.isatty():
        view = asyncio.run(look_once(config))
        print_top(view, is_utc=utc, as_json=as_json)
        sys.exit(1 if view.problem or (config.web.address and view.daemon.problem) else 0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(config, interval, is_utc=utc))


async def _watch(config: Config, interval: float, *, is_utc: bool) -> None:
    import asyncio

    from rich.live import Live
    from rich.text import Text

    from oracle.app.top import look_once
    from oracle.cli.render.tables import new_console
    from oracle.cli.render.top import top_page

    ended = asyncio.Event()
    waits = asyncio.create_task(ended.wait())
    with _key_ends(ended), Live(Text("looking …"), console=new_console(), screen=True, auto_refresh=False) as live:
        while not ended.is_set():
            look = asyncio.create_task(look_once(config))
            await asyncio.wait({look, waits}, return_when=asyncio.FIRST_COMPLETED)
            if not look.done():
                look.cancel()
                break
            live.update(top_page(look.result(), is_utc=is_utc, keys=_KEYS), refresh=True)
            await asyncio.wait({waits}, timeout=interval)
    waits.cancel()


@contextlib.contextmanager
def _key_ends(ended: asyncio.Event) -> Iterator[None]:
    """Set `ended` when q is typed. Where single keys can't be read, Ctrl-C ends."""
    import asyncio

    try:
        import termios
        import tty
    except ImportError:  # Windows
        yield
        return
    if not sys.stdin.isatty():
        yield
        return
    loop, keyboard = asyncio.get_running_loop(), sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)

    def typed() -> None:
        if os.read(keyboard, 1) in (b"q", b"Q", b""):
            ended.set()

    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, typed)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
