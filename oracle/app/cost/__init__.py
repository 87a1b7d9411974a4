"""The cost of the feeds: what a day costs, and what would cost less. Read the modules in this order:

figures     The result: measured, estimated, and what each change would make of it.
replaying   How many reports a feed would have made with other settings, from the answers that the journal has.
gas         The gas of a transaction with several feeds, as measured, or as the benchmark has it.
estimates   All of it computed: pure functions of the configuration and of what the journal has.
reading     The journal and the chain are read.
"""
