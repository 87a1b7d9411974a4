"""Programs on this machine: Anvil, solc, where they are found, and the compilation of our contracts."""
