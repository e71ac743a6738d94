"""Commands that need no running service: init, compare, check, replay, backup, units, doctor."""
