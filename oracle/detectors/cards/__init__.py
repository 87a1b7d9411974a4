"""Proven model cards: how good a hidden model is on a benchmark that anyone can build again.

`benchmark` makes labelled windows and their Merkle root, `proven` proves a model's verdicts on them and verifies such
cards, `onchain` takes a card to `ModelCard.sol` and reads what is there.
"""
