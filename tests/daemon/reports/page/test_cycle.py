"""A cycle's page: its picture and its words have the same numbers."""

from daemon.reports.explain import gain_of
from daemon.reports.page.cycle import gate_rows


def test_the_gain_in_the_picture_is_that_of_the_values_as_they_are_written():
    """0.7686 less 0.7555 is 0.0131 for who reads, though 0.76864 less 0.75546 rounds to 0.0132; smaller may be better."""
    values = {"challenger": {"value": 0.76864}, "champion": {"value": 0.75546}, "difference": 0.01318}
    facts = {"evaluate": values | {"difference_se": None, "greater_is_better": True}, "realised": None}
    assert gate_rows(facts) == [("on held-out rows", 0.0131, 0.0131, 0.0131)]
    assert gain_of(values | {"greater_is_better": False}) == -0.0131
