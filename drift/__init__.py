"""Drift statistics: arrays in, frozen results out. No files, clock, threads or logging."""
