"""A cycle that was opened because it pays: what each file's labels added to the sum, and the price, in its factors."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from daemon.ledger import files
from daemon.ledger.tables import assessments
from daemon.reports.recommender import METRIC
from drift.notation import adding_up, apart, counted
from retrain.planning.regret import AHEAD_DISCOUNT, WITH_IT_DISCOUNT, Price
from retrain.planning.savings import spread

MOST_FILES = 12
"""Named in the story; those before them are one line."""
PARTS = ("measured", "lacking", "chance")
WINDOWS = {"last3": "the last 3 files", "last12": "the last 12 files", "all": "all files"}
LOSS = "what the model usually loses on a file"
OF_EVENTS = (
    "  measured  what a small version of all events before the file ranked better than an equally small one as old as",
    "            the served version, with the served blend and counters",
    f"  chance    {AHEAD_DISCOUNT:g} standard error (by user) of what was measured, deducted",
)
HEADS = ("file", "rows", "served", "measured", "small", "chance", "counts")


def savings_json(conn: Connection, cycle: Any) -> dict[str, Any] | None:
    """What added up, for a cycle that was opened by it: `files` with the parts of each, what was saved on `earlier`
    ones, their `total`, and the `price` with its `price_factors`, whose product it is. None for any other cycle."""
    told = cycle.trigger["evidence"]
    if cycle.trigger["kind"] != "regret" or "gains" not in told:
        return None
    gains = [gain | {"counted": sum(gain[part] for part in PARTS)} for gain in told["gains"]]
    return {
        "metric": told["metric"],
        "files": [gain | _served(conn, cycle.model, gain["seq"]) for gain in gains],
        "earlier_files": told["files"] - len(gains),
        "earlier": told["regret"] - sum(gain["counted"] for gain in gains),
        "total": told["regret"],
        "price": told["price"],
        "price_factors": told["price_factors"],
        "credit": told["credit"],
    }


def _served(conn: Connection, model: str, seq: int) -> dict[str, Any]:
    """The file's name, of small ones that were judged together the newest one's, and how what was served did on it; the
    numbers are None where retention let go of them."""
    path = files.path_of(conn, model, seq) or f"file {seq}"
    wanted = assessments.c.model == model, assessments.c.seq == seq, assessments.c.kind == "file"
    found = conn.scalar(select(assessments.c.found).where(*wanted)) or {}
    together = len(found.get("files") or ())
    path = f"{together} files to {path}" if together > 1 else path
    return {"file": path} | {key: found.get(key) for key in ("rows", "score", "loss")}


def savings_text(savings: Mapping[str, Any]) -> str:
    """The same as a table whose columns and lines add up as shown, and the comparison that decided."""
    digits = apart(savings["total"], savings["price"])
    shown = savings["files"][-MOST_FILES:]
    before = savings["files"][: len(savings["files"]) - len(shown)]
    earlier = savings["earlier"] + sum(one["counted"] for one in before)
    counts = adding_up([earlier, *(one["counted"] for one in shown)], digits)
    lines = [_line(one, count, digits) for one, count in zip(shown, counts[1:], strict=True)]
    if more := savings["earlier_files"] + len(before):
        lines.insert(0, (counted(more, "earlier file"), "", "", "", "", "", f"{counts[0]:+,.{digits}f}"))
    total = f"{savings['total']:+,.{digits}f}"
    lines.append(("in all", "", "", "", "", "", total))
    return "\n".join(
        [
            f"What a fresh model would have {_what(savings['metric'])}, by file:",
            *_aligned([HEADS, *lines]),
            *_legend(shown, savings["metric"]),
            *_price(savings, digits),
        ]
    )


def _what(metric: str) -> str:
    return "gained (+), as a share of the served NDCG" if metric == METRIC else f"saved (+) in {metric}"


def _line(one: Mapping[str, Any], count: float, digits: int) -> tuple[str, ...]:
    """A file's cells; its parts are rounded so that they add up to what it counts as shown."""
    measured, lacking = (round(one[part], digits) for part in PARTS[:2])
    parts = (measured, lacking, round(count - measured - lacking, digits), count)
    mark = "*" if one["trained"] == "with" else ""
    rows = "" if one["rows"] is None else f"{one['rows']:,}"
    served = "" if one["score"] is None else f"{one['score']:,.{digits}f}"
    return (one["file"] + mark, rows, served, *(f"{part:+,.{digits}f}" for part in parts))


def _aligned(lines: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  " + "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    ]


def _legend(shown: list[Any], metric: str) -> list[str]:
    if all(one["trained"] == "before" for one in shown) and metric == METRIC:
        return list(OF_EVENTS)
    twins = " or ".join(dict.fromkeys(WINDOWS[one["twin"]] for one in shown))
    with_it = any(one["trained"] == "with" for one in shown)
    star = "; *: with the file, and judged on rows of it that it was not trained on" if with_it else ""
    error = f"{AHEAD_DISCOUNT:g} standard error" + (f" ({WITH_IT_DISCOUNT:g} where *)" if with_it else "")
    return [
        f"  measured  what was served lost more, a row, than a small model of {twins}, trained before the file{star}",
        "  small     what such a small model loses more than a full one, as measured when versions were evaluated",
        f"  chance    {error} of what was measured, deducted",
    ]


def _price(savings: Mapping[str, Any], digits: int) -> list[str]:
    factors, credit, of_events = savings["price_factors"], savings["credit"], savings["metric"] == METRIC
    pace = f"{-credit:.1f} retrains ahead of" if credit < 0 else f"{credit:.1f} retrains unspent of"
    words = {
        "share": "triggers.regret",
        "loss": "the part of the served NDCG that counts as a loss" if of_events else LOSS,
        "unpaid": "for retrains that did not pay",
        "budget": f"{pace} the budget, triggers.retrains",
        "drift": "drift is under way, triggers.drift_prior",
    }
    product = " × ".join(
        f"{value:.4g} ({words[name]})" for name, value in factors.items() if value != 1 or name in ("share", "loss")
    )
    price, total = f"{savings['price']:,.{digits}f}", f"{savings['total']:,.{digits}f}"
    return [
        f"A retrain pays from {price}, {spread(Price(**factors))}:",
        f"  {price} = {product}",
        f"{total} is more than {price}: a retrain pays.",
    ]
