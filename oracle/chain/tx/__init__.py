"""Transactions: what they pay, how they are sent and cared for, and how they are confirmed."""
