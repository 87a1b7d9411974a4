"""Sources, the origin of all values.

`interface` is what the rest of the package sees of a source. Each kind of source has a package of its own: in it,
`config` is the source's table in the configuration file, and `source` reads the values. `config` beside these packages
has what the tables share. `guard` limits how a live source is asked, `validation` checks its values, and `aggregate`
makes one value of the readings of several sources. `faults` puts faults into recordings, to measure detectors with.

A new kind of source needs three changes: a package here, its table in `oracle.config.feeds.SourceConfig`, and its case
where `oracle.app` builds sources.
"""
