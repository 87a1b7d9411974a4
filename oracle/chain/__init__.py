"""Everything that touches an EVM chain: requests to it, the hub, transactions, keys, deployment, local tools."""
