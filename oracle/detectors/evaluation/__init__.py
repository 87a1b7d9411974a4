"""How good a detector is, behind the whole gate and on recorded data: its replay, faults, measures and reports.

`recording.py` has the data, `replay.py` the gate, `trials.py` the faults, `measure.py` what is made of them;
`output.py` and `plots.py` show it. `nab.py` is Numenta's benchmark.
"""
