"""Keys: keystores, remote signers, signatures of observations, rotation."""
