"""Provers: pools of processes on this machine or on a Ray cluster."""
