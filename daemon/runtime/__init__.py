"""What every part of the service stands on: context, log, lock, control groups, workers, spool."""
