"""How many clean batches are held, and how many poisoned ones are caught."""
