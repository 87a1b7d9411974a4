"""The products meet here: one module for each thing that an operator does, and for each thing that is put together.

What an operator does:

    deploy     deploy hub, verifiers, models and feeds, or find them on the chain
    run        run the daemon
    status     say how the feeds, the payer and the journal are
    explain    say why a report was accepted or is held; `explanation` puts it into words
    audit      verify every round of a hub again
    doctor     check this machine and the configuration
    models     build, prove and verify a user's own models
    training   train a detector on what a feed has reported
    srs        list, fetch, generate, check and import reference strings
    chain      run the local chain

What these are built from:

    detectors  read the detector that the configuration or an artifact names
    circuits   build or find the artifacts of a detector
    provers    start provers, and join a detector with its provers
    keys       open signing keys
    sources    make the sources of a feed
    running    open all parts of a running oracle, in order
    progress   show the steps of a deployment
    recorders  tell log, metrics and web pages what happens

A Python program calls the entry points through `oracle`, the SDK; `sdk` has its functions.
"""
