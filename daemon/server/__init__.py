"""The server process: HTTP in front of the model slots, following the promotions in the ledger."""
