"""Programs on this machine: Anvil, solc, and where they are found."""
