"""Approximate circuits: functions that no exact circuit has are looked up in tables, or checked to the nearest step."""
