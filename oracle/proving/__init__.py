"""Proofs that a model was computed: from a model to a circuit, to keys and a verifier, to proofs.

    lowering → reference → tuning   a user's own model becomes integers, then a circuit with settings
    approximate                     what an approximate circuit leaves undecided, and what its manifest has to say
    srs → artifact                  keys and a Solidity verifier, in one folder with a manifest of hashes
    engine → pool → split           ezkl in a child process; provers on this machine or a cluster; models in segments
    inspect, verification           reports for people, and the verification of proofs off-chain

`interface` has the types that the rest of the package uses.
"""
