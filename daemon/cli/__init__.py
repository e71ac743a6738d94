"""The command line: one module for each family of commands, `app` puts them together."""
