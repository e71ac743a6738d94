"""How near driftd is to what the machine allows: one table with its goals, and the picture of it."""
