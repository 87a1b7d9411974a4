"""What every other package needs and nothing else defines: errors, types, the only quantiser, the gate's rules."""
