"""One test or distance a file: arrays or counts in, a `Score` out."""
