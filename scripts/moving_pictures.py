"""Draw the moving pictures of the demonstration and of the explorer, from the real things.

    python -m scripts.moving_pictures demo docs/pictures/demo.webp              # plays `oracle demo` first
    python -m scripts.moving_pictures demo docs/pictures/demo.webp --log FILE   # of a run whose output is there
    python -m scripts.moving_pictures explorer docs/pictures/explorer.webp      # after `make explorer`

The demonstration's lines are its own, and each point of the chart is one of them. The explorer's frames are pages in a
browser, on a chain with a history, while a round is checked.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

LINE = re.compile(r"(\w+)  (\d{4}-\d\d-\d\d)  (-?[\d.]+) +(written|HELD)(.*?)  +[\d.]+ s  [\d,]+$")
"""A report's line: feed, day, value, what became of it, and why."""

SIZE = (960, 540)
FRAMES = 50
MILLISECONDS = 150
LAST_MILLISECONDS = 4_000
DARK, PALE, GREEN, RED, AMBER, GREY = "#0d1b1e", "#e6eeee", "#4ec9b0", "#ff6b6b", "#f2c14e", "#7c9599"


@dataclass(frozen=True)
class Played:
    """One line of the demonstration."""

    feed: str
    day: dt.date
    value: float
    is_held: bool
    note: str
    text: str


def played(output: str) -> list[Played]:
    """Return the reports that the output of a demonstration tells, in order."""
    found = []
    for line in output.splitlines():
        if (match := LINE.match(line)) is not None:
            feed, day, value, end, note = match.groups()
            held = end == "HELD"
            text = f"{feed:<7} {day}  {value:>10}  {end}{note}"
            found.append(Played(feed, dt.date.fromisoformat(day), float(value), held, note.strip(), text))
    return found


def ending(output: str) -> list[str]:
    """Return what the demonstration says in the end, in lines that fit."""
    told = " ".join(output.split("Read back from the chain", 1)[1].split())
    counts = re.search(r"(\d+) observations: (\d+) written, (\d+) held", told)
    audit = re.search(r"audit: (\d+) of (\d+) reports verified, with (\d+) proofs; (\d+) failed", told)
    if counts is None or audit is None:
        raise ValueError("the output has no end: the demonstration did not run to it")
    return [
        f"{counts[1]} observations: {counts[2]} written, {counts[3]} held",
        f"audit: {audit[1]} of {audit[2]} reports verified,",
        f"with {audit[3]} proofs; {audit[4]} failed",
    ]


def draw_demo(output: str, path: Path, feed: str = "sp500") -> None:
    """Write the moving picture of a demonstration.

    Args:
        output: What `oracle demo` printed.
        path: The picture, in the format WebP.
        feed: The feed whose chart is drawn.

    Raises:
        ValueError: The output has no report, or no end.
    """
    from PIL import Image  # matplotlib brings it, in the extra `demo`

    lines, end = played(output), ending(output)
    if not lines:
        raise ValueError("the output has no report")
    own = [each for each in lines if each.feed == feed]
    shown = [each for each in lines if each.day <= own[-1].day]
    steps = [round(len(shown) * (number + 1) / FRAMES) for number in range(FRAMES)]
    frames = [Image.open(io.BytesIO(each)).convert("RGB") for each in _frames(shown, own, steps, end)]
    durations = [MILLISECONDS] * (len(frames) - 1) + [LAST_MILLISECONDS]
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        quality=60,
        method=4,
    )


def _frames(
    shown: Sequence[Played], own: Sequence[Played], steps: Sequence[int], end: Sequence[str]
) -> Iterator[bytes]:
    """Yield the frames, as PNG files."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.dates
    from matplotlib import pyplot

    dates: Any = matplotlib.dates  # partly untyped

    days = [each.day for each in own]
    accepted = [each.value for each in own if not each.is_held]
    low, high = min(accepted), max(accepted)
    margin = (high - low) * 0.1
    for number, count in enumerate(steps):
        is_last = number == len(steps) - 1
        figure = pyplot.figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100, facecolor=DARK)
        axis: Any = figure.add_axes((0.07, 0.44, 0.90, 0.46), facecolor=DARK)
        so_far = [each for each in shown[:count] if each.feed == own[0].feed]
        line = [each for each in so_far if not each.is_held]
        held = [each for each in so_far if each.is_held]
        axis.plot([each.day for each in line], [each.value for each in line], color=GREEN, linewidth=1.8)
        heights = [min(max(each.value, low - margin * 0.7), high + margin * 0.7) for each in held]
        colours = [RED if "fault:" in each.note else AMBER for each in held]
        axis.scatter([each.day for each in held], heights, c=colours, marker="X", s=64, zorder=3)
        axis.set_xlim(days[0], days[-1])
        axis.set_ylim(low - margin, high + margin)
        axis.tick_params(colors=GREY, labelsize=9)
        axis.xaxis.set_major_formatter(dates.DateFormatter("%b %Y"))
        axis.xaxis.set_major_locator(dates.MonthLocator())
        axis.grid(alpha=0.12, color=PALE)
        for side in axis.spines.values():
            side.set_visible(False)
        figure.text(0.07, 0.935, "S&P 500, 2008: each point is proven on-chain", color=PALE, fontsize=13)
        figure.text(0.78, 0.935, "✕ fault, held", color=RED, fontsize=11, ha="right")
        figure.text(0.97, 0.935, "✕ true value, held", color=AMBER, fontsize=11, ha="right")
        last = shown[:count][-7:]
        for row, each in enumerate(last):
            colour = RED if each.is_held and "fault:" in each.note else AMBER if each.is_held else GREY
            height = 0.345 - row * 0.048
            figure.text(0.07, height, each.text, color=colour, fontsize=10.5, family="DejaVu Sans Mono")
        for row, text in enumerate(end if is_last else ()):
            figure.text(0.97, 0.25 - row * 0.06, text, color=PALE, fontsize=12, ha="right", weight="bold")
        file = io.BytesIO()
        figure.savefig(file, format="png", facecolor=DARK)
        pyplot.close(figure)
        yield file.getvalue()


def draw_explorer(path: Path) -> None:
    """Write the moving picture of the explorer: the feeds, one of them, and a check of one of its rounds.

    Args:
        path: The picture, in the format WebP.

    Raises:
        ChildProcessError: The scene or the explorer did not start, or the browser met a page that is not as expected.
    """
    scene_command = [sys.executable, "-m", "tests.web.scene"]
    with (
        subprocess.Popen(scene_command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as scene,
        tempfile.TemporaryDirectory() as folder,
    ):
        try:
            told = json.loads(_first_line(scene))
            shown = [told["hub"], "--rpc", told["rpcUrl"], "--artifacts", told["publicFiles"]]
            command = [sys.executable, "-m", "oracle", "explore", *shown, "--listen", "127.0.0.1:0"]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as explorer:
                try:
                    url = re.search(r"http:\S+", _first_line(explorer))
                    if url is None:
                        raise ChildProcessError("the explorer did not say its address")
                    checked = told["rounds"]["accepted"]
                    arguments = [url[0], checked["feedId"], str(checked["roundId"]), folder]
                    taken = subprocess.run(["node", "scripts/explorer_frames.mjs", *arguments], cwd=ROOT, check=False)
                    if taken.returncode:
                        raise ChildProcessError("the browser did not find the pages as they should be; see above")
                finally:
                    explorer.terminate()
        finally:
            scene.stdin.close()  # type: ignore[union-attr]  # the scene ends with it
        join_frames(Path(folder), path)


def join_frames(folder: Path, path: Path) -> None:
    """Write a moving picture of the files NUMBER-MILLISECONDS.png of a folder, in their order."""
    from PIL import Image

    files = sorted(folder.glob("*.png"))
    frames = [Image.open(each).convert("RGB") for each in files]
    durations = [int(each.stem.split("-")[1]) for each in files]
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=70, method=4)


def _first_line(process: subprocess.Popen[str]) -> str:
    """Return the first line that a process prints. Raises: ChildProcessError."""
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise ChildProcessError(f"{process.args!r} ended before it was ready; see above")
    return line


def main() -> int:
    """Draw the picture that the arguments name; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["demo", "explorer"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--log", type=Path, help="the output of a run; without it, one is made")
    options = parser.parse_args()
    if options.what == "explorer":
        draw_explorer(options.out)
        return 0
    if options.log is not None:
        output = options.log.read_text(encoding="utf-8")
    else:
        command = [sys.executable, "-m", "oracle", "demo", "--out", "build/demo"]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    draw_demo(output, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
