"""The bytecode of test files, with pytest's own asserts: in a fresh clone, each worker makes that of its share.

Writing the asserts of all files anew takes ten CPU seconds. Workers begin together and collect in one order, so each
would do all of it. With its share done first, a worker finds what the others did meanwhile; and if one is late, another
does a few files twice. The files are pytest's, where it looks for them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from _pytest.assertion import rewrite


def rewrite_share(config: pytest.Config, folder: Path, worker: int, workers: int) -> None:
    """Write the bytecode of a worker's share of test files, as far as it is not there.

    Args:
        config: The configuration, whose asserts are the ones that pytest writes.
        folder: The folder of the tests.
        worker: The worker's number, from 0.
        workers: How many there are.
    """
    if sys.dont_write_bytecode:
        return
    state = config.stash[rewrite.assertstate_key]
    for path in sorted(folder.rglob("test_*.py"))[worker::workers]:
        cache = rewrite.get_cache_dir(path)
        target = cache / (path.name.removesuffix(".py") + rewrite.PYC_TAIL)
        if rewrite.try_makedirs(cache) and rewrite._read_pyc(path, target) is None:
            source_hash, code = rewrite._rewrite_test(path, config)
            rewrite._write_pyc(state, code, source_hash, target)
