"""Two tables compared column by column: what `driftd compare` and a notebook share, and the report of a notebook."""
