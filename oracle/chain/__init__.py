"""Everything that touches an EVM chain: the local node, the compiler, and the contracts' Python side."""
