"""Columns of Arrow as what statistics read: their kinds, values cast to a kind, numbers and codes."""
