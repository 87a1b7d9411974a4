"""The way of one observation, from its sources to the chain. Read the modules in this order:

    observe    A feed's sources are read, their readings become one value, and the value is due for a report or not.
    pipeline   An observation that is due is signed, scored, proven, submitted and confirmed, one stage after the other.
    batching   Before the proof it waits for observations of other feeds, to share the proof and the transaction.
    shadows    While a new model is proposed, that model judges the same observation, ahead of its report.
    journal    Each stage is on disk before the next begins, so that a crash loses nothing and proves nothing twice.
    daemon     All feeds do this side by side, look after look, until they are stopped.

`interface` has what these need of the chain, of keys and of models. The package knows no concrete detector, prover or
web page: `oracle.app` puts everything together.
"""
