"""One column, and a whole check: its tests, their budget of false alarms, and the report."""
