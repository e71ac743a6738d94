"""All columns together: what no single column shows."""
