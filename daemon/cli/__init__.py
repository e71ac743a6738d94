"""The command line: one command a file, listed in `app`, and what they share."""
