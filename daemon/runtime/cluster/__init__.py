"""Stages of cycles on the workers of a Dask cluster: a text goes there, and a text comes back."""
