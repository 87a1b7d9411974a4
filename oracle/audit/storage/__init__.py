"""A hub's whole storage, word by word, against its history.

Our code at an address does not make a contract ours. Whoever deploys it with creation code of his own can leave any
storage behind, for instance another verifier where a submission looks for it, and every view still tells the truth. And
a node that keeps a log from an auditor shows him a history that is consistent in itself. Both are seen here.

`stored` and `roles` rebuild all words from the history; `layouts` and `words` say where they are and what they mean;
`comparison` asks the node. It compares the storage root, too, so that no word anywhere is left out.
"""

from oracle.audit.storage.comparison import StorageComparison, read_words, storage_problems
from oracle.audit.storage.roles import StoredRoles
from oracle.audit.storage.stored import Replayed, StoredHub
from oracle.audit.storage.words import Word
from oracle.chain.trie import storage_root

__all__ = [
    "Replayed",
    "StorageComparison",
    "StoredHub",
    "StoredRoles",
    "Word",
    "read_words",
    "storage_problems",
    "storage_root",
]
