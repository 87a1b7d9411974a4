"""Check a deployment: the code and creation of each contract, roles, delays, committees, models and feeds."""
