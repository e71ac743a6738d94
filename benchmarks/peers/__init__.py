"""driftd beside its peers: one drift check of the same data, each tool in a virtual environment of its own."""
