"""The page of a replay of interactions: how good lists were, batch by batch, and when a version was retrained."""

from markupsafe import Markup

from drift.notation import counted, date, percent, score, seconds
from drift.report import charts
from drift.report import recommendation_words as words
from drift.report.charts import Line, Mark
from drift.report.page import Page, filled, notes, table
from drift.report.recommendation_words import Result

FOOTER = (
    "Each batch was answered, then its events were shown, then the planner decided. NDCG@10 on full rankings: an item "
    "that was never seen is a miss. Intervals are clustered by user. CPU counts retrains and probes, not answering."
)
CYCLE_HEADS = [("after batch", ""), ("trigger", ""), ("outcome", ""), ("champion", "num"), ("challenger", "num"),
               ("popularity", "num"), ("why", "why")]  # fmt: skip
STYLES = {"never": "never", "every": "every", "popularity": "other1"}


def recommendation_page(result: Result) -> str:
    """The JSON result of the replay of interactions as one page. The same input gives the same page."""
    title, *lede = words.verdict(result)
    return Page(
        command="replay", title=title.removesuffix("."), lede=[*lede, words.beside(result)], figures=_figures(result),
        footer=FOOTER,
        sections=[
            ("Counters as of each batch's start", _scores(result, False)),
            ("Live counters", _scores(result, True)),
            ("Policies", _runs(result)),
            ("Parts alone", _parts(result)),
            ("Cycles", _cycles(result)),
            ("Batches", _batches(result)),
            ("Notes", notes(result["notes"])),
        ],
    ).html()  # fmt: skip


def _figures(result: Result) -> list[tuple[str, str, str]]:
    policy = result["policy"]
    first, newest = result["first_ms"] / 1000, result["newest_ms"] / 1000
    span = f"{date(first, newest - first)} to {date(newest, newest - first)}"
    return [
        ("NDCG@10", score(policy["live"]["mean"]), f"live; {score(policy['mean'])} as of each batch's start"),
        ("Retrains", f"{policy['retrains']} ({percent(policy['retrain_share'])})",
         f"allowed {policy['budget']['allowed']}"),
        ("CPU", seconds(policy["cpu_seconds"]), "retrains and probes"),
        ("Catalogue shown", percent(policy["coverage"]), f"Gini of exposure {policy['gini']:.2f}"),
        ("Data", counted(result["events"], "event"), span),
    ]  # fmt: skip


def _scores(result: Result, live: bool) -> Markup | str:
    runs = {**result["baselines"], "driftd": result["policy"]}
    lines = [
        Line(words.NAMES.get(name, name), run["live"]["scores"] if live else run["scores"], STYLES.get(name, "main"))
        for name, run in runs.items()
    ]
    lanes = {
        "retrained": [
            Mark(cycle["batch"] + 0.5, words.cycle_words(cycle)[0], f"after batch {cycle['batch']}: {cycle['reason']}")
            for cycle in result["policy"]["cycles"]
        ]
    }
    what = "live counters" if live else "counters as of each batch's start"
    title, caption = f"NDCG@10 by batch, {what}", f"NDCG@10 of each batch, {what}"
    return charts.lines(title, caption, lines, lanes, result["initial"], "batch")


def _runs(result: Result) -> Markup:
    heads = [(head, "num" if place else "") for place, head in enumerate(words.HEADS)]
    return table(heads, list(words.run_lines(result)))


def _parts(result: Result) -> Markup:
    heads = [(head, "num" if place else "") for place, head in enumerate(words.PART_HEADS)]
    return table(heads, words.part_lines(result))


def _cycles(result: Result) -> Markup:
    rows = []
    for cycle in result["policy"]["cycles"]:
        word, why = words.cycle_words(cycle)
        values = [score(cycle[name]) for name in ("champion", "challenger", "popularity")]
        rows.append([cycle["batch"], cycle["trigger"], word, *values, why])
    return table(CYCLE_HEADS, rows) if rows else filled("<p>No cycle was opened.</p>")


def _batches(result: Result) -> Markup:
    shares = ("without_history", "repeats", "unknown_to_version")
    heads = [("batch", ""), ("judged moments", "num"), ("without history", "num"), ("chosen again", "num"),
             ("unknown to the version", "num")]  # fmt: skip
    rows = [
        [one["batch"], one["moments"], *(percent(one[name]) for name in shares)]
        for one in result["policy"]["by_batch"]
    ]  # fmt: skip
    return table(heads, rows, caption="What each batch was like", folded=True)
