"""The status page: from a read-only ledger, the configuration and a moment to facts, and from facts to HTML."""
