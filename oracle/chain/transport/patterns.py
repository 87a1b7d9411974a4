"""Patterns for the words of nodes, one on a line, and the words for an empty account, which come with all methods."""

from __future__ import annotations

import re

__all__ = ["NO_FUNDS", "words"]


def words(lines: str) -> re.Pattern[str]:
    """Return a pattern that is found where one of these is; each line is a regular expression for lower case."""
    return re.compile("|".join(line.strip() for line in lines.strip().splitlines()))


NO_FUNDS = words(r"""
    insufficient[\s_]?(?:funds|balance|payer[\s_]balance|(?:sender|account)[\s_]balance)
    insufficient max[\s_]?fee[\s_]?per[\s_]?gas for (?:the )?sender balance
    not ?enough ?(?:balance|funds|cash)
    (?:not|n't) have enough (?:funds|balance)
    lack ?of ?funds?
    out_of_fund
    balance (?:is )?too low
    up-?front cost (?:.* )?exceeds
    exceeds (?:the )?(?:transaction )?(?:sender )?(?:account )?balance
""")
"""The words for an account that has too little to pay with."""
