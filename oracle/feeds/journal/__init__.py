"""The journal: every stage of every observation, on disk before the next stage begins.

A report that is due is written down as a decision, with an observation for each of its feeds. Each time that some of
them are signed together a new report begins, which passes the stages in order; the old ones stay readable. An
observation that has no outcome is open, and `unfinished` restores how far its latest report came. The database itself
refuses a second outcome, and anything after an outcome.

Each call is one transaction, written through to the disk before it returns (SQLite: `synchronous=FULL`; PostgreSQL:
`synchronous_commit=on`). Calls are fast (milliseconds) and made one after the other; they may come from several
threads.

    journal     the journal itself, `Journal`
    opening     the journal that the configuration names
    recording   stages to rows: each follows on the one before it
    reading     rows to stages and entries
    rows        what one row says
    keeping     the chain of hashes checked, old steps dropped
    trail       the hashes
    leadership  one daemon writes, the others stand by
    store       the connection, its transactions and errors
    databases   SQLite and PostgreSQL
    schema      the tables and their triggers
    revisions   earlier releases' tables, brought to this one's by `migrations`
    entries     what is returned
"""

from oracle.feeds.journal.entries import Compaction, Entry, Leader, TrailCheck
from oracle.feeds.journal.journal import Journal
from oracle.feeds.journal.opening import open_journal
from oracle.feeds.journal.rows import StageName
from oracle.feeds.journal.schema import SCHEMA_VERSION

__all__ = ["SCHEMA_VERSION", "Compaction", "Entry", "Journal", "Leader", "StageName", "TrailCheck", "open_journal"]
