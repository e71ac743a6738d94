"""From a settled file to a snapshot: look, read, clean, judge its quality."""
