"""Reporters who do not trust each other sign with each other; each of them reports in its turn.

turns       The holder of a turn follows from the time alone.
messages    Requests and answers, as they go over HTTP.
member      The rules of a signer: what it signs, and what never.
ledger      All that this node signed and heard, on disk before anything leaves.
"""
