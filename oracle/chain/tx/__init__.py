"""Transactions: build, send, replace, confirm."""
