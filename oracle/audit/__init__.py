"""The independent audit: verify every round of a hub again, off-chain, without trusting anything that the hub says.

The audit reads what a chain can't take back: the hub's events and the submissions behind them, in order, and the terms
that feeds and models were added with. From these it rebuilds each feed's history, derives the features and the
instances, verifies each proof with the artifact's verifying key, and compares what the hub did and stores with what it
must have done. Submissions of a proposed model (`submitShadow`) make no rounds, but they decide whether the model may
be activated, so they are verified, too.

Nobody is believed: a node that keeps something back is found by the hub's own storage (`withheld`), a submission counts
only if it agrees with the hub's events and its signatures hold (`calls`), and what can't be checked is a finding.

`run` is the workflow. `endpoints`, `fetch` and `pinned` read the chain, `circuits` finds the artifacts, and `playing`
takes the history to the auditor. `calldata`, `calls`, `withheld`, `replay`, `replayed`, `shadows` and `judge` are pure.
`proofs` verifies proofs in child processes, and `storage` compares every word. `history` and `report` have the types of
what goes in and out. Who only reads calldata imports `calldata` or `transactions` alone: nothing else is loaded for it.
"""
