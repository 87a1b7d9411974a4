"""`oracle init`: the first working folder of a new user, with a model of their own if there is a history to learn from.

- `options`: what the command takes.
- `histories`: the series to learn from: files, packaged series, a journal; and which move together.
- `texts`: the files that are written, as text.
- `quality`: how good the model is, beside a cap on a move's size, and what a stranger can know of it.
- `making`: all of it in order.
"""

from __future__ import annotations

from oracle.app.beginning.making import Begun, begin
from oracle.app.beginning.options import InitOptions

__all__ = ["Begun", "InitOptions", "begin"]
