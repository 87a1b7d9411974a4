"""The demonstration of a network: members as processes on one machine, some of which are faulty in each way in turn.

Each member has a key, a journal and sources of its own. The sources follow recorded series, a day in each turn, with
noise and delays. The summary's numbers are read back from the chain and from the honest members' journals.
"""
