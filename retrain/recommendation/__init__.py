"""Recommendation: what is counted live of interactions, what is trained on them, and the blend that ranks items."""
