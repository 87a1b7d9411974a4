"""The integer model that a circuit computes: scales, arithmetic and bounds, in Python's integers.

A number x is the integer x · 2^scale. Inputs have the input's scale, constants the parameters'. A product adds scales;
a sum, a comparison and a concatenation multiply the operand of the smaller scale up. These are ezkl's rules, so the
integers here are those of its witness, bit for bit.

A model of many layers outgrows the circuit's integers. With a `rebase` of t, whatever gets a scale above t times the
parameters' is divided down to that one, rounded to the nearest, halves away from zero. The circuit then accepts
another quotient too: any q with |q · divisor − dividend| ≤ divisor. `Circuit.slack` bounds how far all of these choices
together can take an output away from the integers here. Without a rebase nothing is divided, and the slack is 0.

    Program + scales → Circuit → evaluate(windows), bounds over all clipped windows, to_onnx(batch)

`instantiate` makes a `circuit` of a program. Its operations are in `steps`, computed in `arithmetic`, bounded in
`bounds`, and written for ezkl in `onnx_graph`.
"""
