"""Columns that are made of others: of dates, of free text, of a model's predictions."""
