"""JSON-RPC: requests, endpoints that fail over, new heads."""
