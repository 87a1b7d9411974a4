"""Recordings: the one reader of files that hold the values of one or several series over time.

    sheets     a file as columns of cells: CSV, TSV, Parquet, XLSX; its header, and what is above it
    times      a column of times, in the forms that people have
    columns    which column has the times, and which the values
    reader     the recording: times that rise, and decimals
    stretches  stretches of time, as people write them

A file is checked as a whole before anything is started, and all of its problems are told at once. Whatever the reader
turned round, skipped or converted, it says: a recording has *notes*.
"""

from oracle.sources.recordings.reader import RecordedTable, read_table
from oracle.sources.recordings.stretches import parse_stretch

__all__ = ["RecordedTable", "parse_stretch", "read_table"]
