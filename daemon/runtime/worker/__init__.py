"""Child processes that do the heavy work: one warm analyst, and one trainer a cycle."""
