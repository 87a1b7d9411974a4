"""The kinds of detector: one file for each, a class that fulfils `oracle.detectors.interface.Detector`.

A new kind takes four steps: its file here; a trainer in `oracle.detectors.trainers`; a line for each of the two in
`oracle.detectors.registry`; and a call of the suite in `tests/detector_conformance.py`.
"""
