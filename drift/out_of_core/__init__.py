"""Columns of any length compared in flat memory."""
