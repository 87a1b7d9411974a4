"""Evaluation of a detector behind the whole gate, on recorded data.

- `recording`: the data; `prepared`: as a feed would have reported them.
- `replay`: the gate; `trials`: the faults.
- `comparison`: detectors evaluated side by side, each with a static cap (`caps`); `scaling`, `shocks` and `flips` are
  its parts, and `results` is what it finds.
- `report`: the files of a report, made from `figures` (JSON), `page` (HTML) and `plots`. They share `tables` and
  `wording`.
- `nab`, `nab_corpus`: Numenta's Anomaly Benchmark.
"""
