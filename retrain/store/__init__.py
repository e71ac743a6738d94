"""Versions on disk: published whole or not at all, never changed, proven when loaded."""
