"""Hostile requests: generators with a size, and what a server must not do about them (`make hostile`)."""
