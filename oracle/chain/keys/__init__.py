"""Signing keys: keystores, remote signers, signatures of observations, rotation."""
