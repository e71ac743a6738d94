"""Backups of the state: made of a running service, verified, and restored while it is stopped."""
