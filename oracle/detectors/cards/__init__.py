"""Proven cards: the verdicts of a hidden model on a benchmark that anyone can build again, each batch of them proven.

Nobody has to believe a proven card. The model card that training writes is the owner's own statement; it is in
`oracle.detectors.training.model_card`.

- `recipe`, `drawing`, `benchmark`, `merkle`: labelled windows, and the Merkle root that names them.
- `card`: the file; `prove` makes it and `verify` checks it.
- `onchain`: takes a card to the contract `ModelCard`, and reads what is there.
"""
