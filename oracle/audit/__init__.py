"""The independent audit: verify every round of a hub again, off-chain, without trusting anything that the hub says.

The audit reads what a chain can't take back: the calldata of each submission, in order, and the terms that feeds and
models were added with. From these it rebuilds each feed's history, derives the features and the instances, verifies
each proof with the artifact's verifying key, and compares what the hub did with what it must have done. Submissions of
a proposed model (`submitShadow`) make no rounds, so the audit skips them.

`run` is the workflow. `fetch` reads the chain and `circuits` finds the artifacts; `calldata`, `replay` and `judge` are
pure, except for the child process that verifies a proof. `history` and `report` have the types of what goes in and out.
Who only reads calldata imports `calldata` alone: nothing else here is loaded for that.
"""
