"""The stages of a recommendation's cycle: an event log to a trained table of items, judged and described."""
