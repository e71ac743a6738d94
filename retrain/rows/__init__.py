"""Rows of accepted files: cells, columns, their types, histories, windows and held-out rows."""
