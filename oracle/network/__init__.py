"""Reporters who do not trust each other sign with each other; each of them reports in its turn.

    turns           the holder of a turn follows from the time alone
    guard           the end of a turn, in which nothing new is begun
    terms           what all members have to configure alike
    messages        requests and answers, as they go over HTTP
    fields          objects of messages, read strictly
    rules           the rules of a signer that are pure
    member          the signer: what it signs, and what never
    ledger          all that this node signed and heard, on disk before anything leaves
    sightings       the latest answers of this node's own sources
    chain_view      the chain, as it was read last
    heard           the answers of all members, compared with each other
    client          asks one member
    telling         tells all members
    collecting      the holder of a turn asks all, and waits for a quorum
    choosing        the answers that go into a report
    watching        what transmitters bring to the chain
    evidence        faults, and whoever takes note of them
    casebook        evidence on disk
    proofs          what evidence proves
    exporting       evidence as a file for others
    reading_checks  members' readings, checked while they are fresh
    standing        figures about members
    overview        the state of a network as one node sees it
    asking          what members say about themselves, for the doctor

Read `turns`, `member` and `collecting` first.
"""
