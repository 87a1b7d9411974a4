"""JSON-RPC requests: one endpoint, several that fail over, the parsing of answers, new blocks."""
