"""The way of one report, from its feeds' sources to the chain. Read the modules in this order:

    observe    A feed's sources are read, and their readings become one answer.
    looking    The feeds of a committee are looked at together, so that one time holds for all answers.
    deciding   Feeds that are due, and that one model judges, make one report; the others' answers go with it.
    waiting    The report waits for a prover, and a little for feeds that may become due soon.
    reporting  It is signed, derived, proven, simulated, sent and confirmed, one stage after the other.
    parting    A feed that makes it fail is left out, and the rest is signed again.
    shadows    While a new model is proposed, that model judges the same signed report, ahead of it.
    journal    Each stage is on disk before the next begins, so that a crash loses nothing and proves nothing twice.
    desk       Reports go their ways side by side, and again after failures.
    daemon     All committees do this side by side, look after look, until they are stopped.

`interface` has what these need of the chain, of reporters and of models; `signing` has the reporters whose keys this
process can use. The package knows no concrete detector, prover or web page: `oracle.app` puts everything together.
"""
