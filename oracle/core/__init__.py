"""The basis of all other packages: errors, types, the only quantiser, the gate's rules, and small helpers."""
