"""`oracle bench`: proving, gas, memory and latency on this machine, beside ezkl's own defaults on the same ONNX graph.

Everything is measured as it runs in earnest: proofs in warm child processes, gas of mined transactions on a real Anvil,
latency and memory of a real `oracle run`. The proofs of the cases take turns: if the machine becomes slower meanwhile,
it does so for all of them.

`cases` names what can be measured, `run` measures it, `report` shows it. `suite` builds a folder of other people's
models, and `large` cuts models that are too large for one circuit. Only the command line imports this package.
"""
