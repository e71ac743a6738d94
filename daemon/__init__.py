"""The service: configuration, ledger, intake of files, reconciler, workers, server, command line."""
