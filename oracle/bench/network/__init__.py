"""The measurements of a network of reporters: `make network`.

`collusion` says how far liars move an answer, `scale` what a very large network would cost; both are computed. The rest
is measured: `members` runs members with real HTTP, signatures and ledgers behind links with delays, `rounds` their
rounds, `gas` their submissions, `soak` a long run with kills and faults.
"""
