"""Replay: the daemon's own decisions over history, to see what a configuration would have paid."""
