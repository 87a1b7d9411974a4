"""Proofs: from a detector to a circuit with its keys and verifier, and from a window to a proof."""
