"""The colours of states, the same wherever they are shown: yellow for what may pass, red for what needs a person."""

from __future__ import annotations

from rich.markup import escape

__all__ = ["fact_mark", "feed_mark", "source_mark"]

_FEED_WORDS = {"HELD": "bold yellow", "(stale)": "bold yellow", "(paused)": "bold red", "deployed:": "bold red"}
_SOURCES = {"agrees": "green", "unused": "yellow", "outlier": "yellow", "suspended": "bold red", "failed": "red"}


def feed_mark(status: str) -> str:
    """Return a feed's status as markup: held, stale, paused and not deployed stand out."""
    return " ".join(
        f"[{_FEED_WORDS[word]}]{escape(word)}[/]" if word in _FEED_WORDS else escape(word) for word in status.split()
    )


def source_mark(state: str) -> str:
    """Return a source's state as markup."""
    style = _SOURCES.get(state)
    return escape(state) if style is None else f"[{style}]{escape(state)}[/]"


def fact_mark(label: str, text: str) -> str:
    """Return a line of `oracle feed show` as markup: a hold, a pause and a stale round stand out."""
    if label == "held" or (label == "latest round" and text.endswith("; stale")):
        return f"[bold yellow]{escape(text)}[/]"
    return f"[bold red]{escape(text)}[/]" if label == "paused" and text != "no" else escape(text)
