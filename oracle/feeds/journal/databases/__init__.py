"""The two databases that a journal can be in: how each is reached, who may write, and where its errors end.

In both, each leader has an epoch, one higher than the leader's before. Each transaction that writes checks the epoch,
under the row's lock: a leader that was replaced can't write any more, whenever it wakes up. A leader that is stopped
within a transaction keeps PostgreSQL's locks for a few seconds, until the server ends its session. SQLite's locks it
keeps until it goes on or is killed, and nobody can write or take over meanwhile.
"""

from oracle.feeds.journal.databases.interface import RENEWALS, Database
from oracle.feeds.journal.databases.postgresql import PostgresDatabase, password_of
from oracle.feeds.journal.databases.sqlite import SqliteFile

__all__ = ["RENEWALS", "Database", "PostgresDatabase", "SqliteFile", "password_of"]
