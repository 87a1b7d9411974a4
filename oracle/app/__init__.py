"""The products meet here: one module for each thing that an operator does, and for each thing that is put together.

What an operator does:

    deploy     deploy hub, verifiers, models and feeds; `finding` finds them on the chain
    run        run the daemon
    status     say how the feeds, the payer and the journal are
    explain    say why a report was accepted or is held; `explanation` puts it into words
    audit      verify every round of a hub again
    doctor     check this machine and the configuration
    models     build, prove and verify a user's own models
    training   train a detector on what a feed has reported
    claim_service   prove claims for callers over HTTP
    srs        list, fetch, generate, check and import reference strings
    chain      run the local chain; `local_network` a whole network of reporters on it, for demonstrations and tests

What these are built from:

    detectors  read the detector that the configuration or an artifact names
    circuits   build or find the artifacts of a detector
    provers    start provers, and join a detector with its provers
    keys       open signing keys; `callers` reads the tokens of who may ask a server
    sources    make the sources of a feed
    node       open what every running oracle has; `network` its part in a network of reporters
    running    open all parts of an oracle that makes reports, in order
    roles      the two roles of a node: `transmitting` makes reports, `answering` only answers with what it sees
    looks      look at the sources of the configured feeds
    seams      the places where tests and demonstrations bend a node's parts
    progress   show the steps of a deployment
    recorders  tell log, metrics and web pages what happens; `report_recorders` what becomes of reports

A Python program calls the entry points through `oracle`, the SDK; `sdk` has its functions.
"""
