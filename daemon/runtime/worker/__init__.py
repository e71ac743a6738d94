"""Child processes that do the heavy work, forked where possible: analysts for files, and one trainer a cycle."""
