"""What all other packages need: errors, types, the only quantiser, the gate's rules, and small helpers."""
