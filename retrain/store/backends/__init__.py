"""Where files are kept besides the state folder."""
