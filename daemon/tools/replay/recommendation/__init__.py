"""The replay of interactions: the live layers, the trained version and the planner's decisions over an event log."""
