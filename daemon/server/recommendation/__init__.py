"""Recommendation in a server: events that count at once, and the answers to what is asked of them."""
