"""The proving process: `python -m oracle.proving.engine.worker`.

It reads one JSON request per line and writes one JSON answer per line:

    {"op": "prove", "args": {…}}  →  {"ok": true, "result": {…}}
                                     {"ok": false, "kind": "error" | "panic", "message": "…"}

ezkl and its libraries write to standard output as they like, so the answers get a descriptor of their own, and
descriptor 1 is pointed at standard error. A process that panicked is not trusted with another request: it answers and
ends.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def _answer(line: str) -> dict[str, Any]:
    # This is not at the top of the module: ezkl prints when it is loaded, and `main` points that at standard error.
    from oracle.proving.engine import calls

    try:
        request = json.loads(line)
        operation = calls.OPERATIONS[request["op"]]
        return {"ok": True, "result": operation(**request["args"])}
    except Exception as error:
        return {"ok": False, "kind": "error", "message": _words(error)}
    except BaseException as error:
        # A Rust panic arrives as a BaseException of its own.
        return {"ok": False, "kind": "panic", "message": _words(error)}


def _words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def main() -> int:
    """Serve requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        answer = _answer(line)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if answer.get("kind") == "panic":
            return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    # ezkl's own threads may abort the interpreter while it shuts down: everything is answered, so leave at once.
    os._exit(status)
