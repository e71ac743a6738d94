"""Batch scoring: the rows of a file, answered as the server would, in a file of their own."""
