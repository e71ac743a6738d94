"""Requests and their latency in words."""

from collections.abc import Mapping

Traffic = Mapping[str, float | None]


def rate(traffic: Traffic | None) -> str:
    """Requests a second.

    >>> rate({"per_s": 1234.4}), rate({"per_s": 41.2}), rate({"per_s": 0.333}), rate({"per_s": 0.0}), rate(None)
    ('1,234/s', '41/s', '0.3/s', '0/s', '–')
    """
    per_s = None if traffic is None else traffic["per_s"]
    if per_s is None:
        return "–"
    return f"{per_s:,.0f}/s" if per_s >= 10 or not per_s else f"{per_s:.1f}/s" if per_s >= 0.05 else "< 0.1/s"


def latency(traffic: Traffic | None) -> str:
    """What 99 of 100 requests took at most; nothing where there were none.

    >>> latency({"p99_s": 0.0061}), latency({"p99_s": 0.00083}), latency({"p99_s": 2.04}), latency({"p99_s": None})
    ('p99 6 ms', 'p99 0.8 ms', 'p99 2.0 s', '')
    """
    seconds = None if traffic is None else traffic["p99_s"]
    if seconds is None:
        return ""
    if seconds >= 1:
        return f"p99 {seconds:.1f} s"
    return f"p99 {1e3 * seconds:.0f} ms" if seconds >= 0.00095 else f"p99 {1e3 * seconds:.1f} ms"


def traffic_words(traffic: Traffic | None) -> str:
    """Both.

    >>> traffic_words({"per_s": 41.2, "p99_s": 0.0061}), traffic_words({"per_s": 0.0, "p99_s": None})
    ('41/s, p99 6 ms', '0/s')
    """
    return ", ".join(filter(None, (rate(traffic), latency(traffic))))
