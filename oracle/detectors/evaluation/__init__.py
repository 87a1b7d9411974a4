"""Evaluation of a detector behind the whole gate, on recorded data.

- `recording`: the data; `settings` and `terms`: the feed; `prepared` and `history`: the data as a feed would have
  reported them.
- `replay`: the gate, report by report; `gates`, on `arrays`: the gate of many feeds side by side.
- `trials`: the faults, and who lies; `outcomes`: what became of them.
- `comparison`: detectors evaluated side by side, each with a static cap (`caps`); `scaling`, `shocks`, `flips` and
  `warn` are its parts, and `results` is what it finds.
- `report`: the files of a report, made from `figures` (JSON), `page` (HTML) and `plots`. They share `tables` and
  `wording`.
- `nab`, `nab_corpus`: Numenta's Anomaly Benchmark.
"""
