"""A replay as one HTML page that needs no network and no script: what a configuration would have paid, and when."""

from collections.abc import Iterator, Sequence
from typing import Any

from daemon.reports.compare_html import POLICY
from daemon.reports.replay_chart import escaped
from daemon.reports.replay_pictures import gains, scores
from daemon.reports.replay_style import CSS
from daemon.reports.replay_text import number, policy_lines, told_outcome, verdict

Result = dict[str, Any]


def render_html(result: Result) -> str:
    """The result of `replay` as one page. The same input gives the same page."""
    heading = _heading(result)
    parts = [
        f'<header><p class="brand">driftd replay</p><h1>{heading}</h1>{_figures(result)}</header>',
        _section("Scores over time", scores(result)),
        _section("Gain over never retraining, added up", gains(result)),
        _section("Policies", _policies(result)),
        _section("Cycles", _cycles(result["policy"])),
        _section("Held batches", _held(result["policy"]["held"])),
        _section("Suggestion", _suggestion(result.get("suggestion"))),
        _section("Notes", _notes(result["notes"])),
        f"<footer>{_footer(result)}</footer>",
    ]
    return _page(heading, "\n".join(part for part in parts if part))


def _page(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title} – driftd</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _section(heading: str, content: str) -> str:
    return f"<section>\n<h2>{heading}</h2>\n{content}\n</section>" if content else ""


def _heading(result: Result) -> str:
    """The first sentence of the verdict, else the policy's mean."""
    for sentence in verdict(result):
        return escaped(sentence)
    return escaped(f"{result['metric']} {number(result['policy']['mean'])}")


def _figures(result: Result) -> str:
    policy, never = result["policy"], result["baselines"].get("never")
    every = result["baselines"].get("every")
    against = [] if never is None else [f"{number(never['mean'])} never retraining"]
    against += [] if every is None else [f"{number(every['mean'])} at every batch"]
    spent = policy["cpu_seconds_by_purpose"]
    figures = [
        (result["metric"], number(policy["mean"]), ", ".join(against)),
        ("Retrains", f"{policy['retrains']} ({_percent(policy['retrain_share'])})", _budget(policy["budget"])),
        ("CPU", f"{policy['cpu_seconds']:.1f} s",
         f"{spent['retrains']:.1f} s retrains, {spent['probes']:.1f} s probes"),
        ("Data", f"{result['rows']:,} rows", f"{result['batches']} batches, {result['initial']} for the first model"),
    ]  # fmt: skip
    if result["recovered"] is not None:
        figures.insert(1, ("Recovered", _percent(result["recovered"]), "of what a retrain at every batch gains"))
    cells = (f"<div><dt>{escaped(a)}</dt><dd>{escaped(b)}<small>{escaped(c)}</small></dd></div>" for a, b, c in figures)
    sentences = "".join(f"<p>{escaped(sentence)}</p>" for sentence in list(verdict(result))[1:])
    return f"<dl>{''.join(cells)}</dl>{sentences}"


def _budget(budget: dict[str, Any]) -> str:
    return f"allowed {budget['allowed']}"


def _policies(result: Result) -> str:
    heads = ("", result["metric"], "against never", "retrains", "share", "CPU seconds")
    return _table(heads, list(policy_lines(result)))


def _cycles(policy: dict[str, Any]) -> str:
    if not policy["cycles"]:
        return "<p>No cycle was opened.</p>"
    lines = [
        [str(c["batch"]), c["trigger"], c["window"], word, number(c["champion"]), number(c["challenger"]), why]
        for c, (word, why) in ((cycle, told_outcome(cycle)) for cycle in policy["cycles"])
    ]
    return _table(("after batch", "trigger", "window", "outcome", "champion", "challenger", "why"), lines)


def _held(held: list[dict[str, Any]]) -> str:
    return _table(("batch", "why"), [[str(one["batch"]), one["reason"]] for one in held]) if held else ""


def _suggestion(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    lines = [
        [one["name"], number(one["mean_first_half"]), number(one["mean_second_half"]), str(one["retrains"]),
         f"{one['cpu_seconds']:.1f}"]
        for one in found["tried"]
    ]  # fmt: skip
    toml = f"<pre>{escaped_lines(found['toml'])}</pre>" if found["toml"] else ""
    table = _table(("tried", "first half", "second half", "retrains", "CPU seconds"), lines)
    return f"<p>{escaped(found['reason'])}.</p>{toml}{table}"


def escaped_lines(text: str) -> str:
    """Several lines, each escaped."""
    return "\n".join(escaped(line) for line in text.splitlines())


def _notes(notes: Sequence[str]) -> str:
    return f'<ul class="notes">{"".join(f"<li>{escaped(note)}</li>" for note in notes)}</ul>' if notes else ""


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """The first cell of a line names it; the column "why" holds sentences."""
    head = "".join(f'<th scope="col"{_kind(name)}>{escaped(name)}</th>' for name in heads)
    rows = "".join(f"<tr>{''.join(_cells(heads, line))}</tr>" for line in lines)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cells(heads: Sequence[str], line: Sequence[str]) -> Iterator[str]:
    for place, (name, cell) in enumerate(zip(heads, line, strict=True)):
        tag = 'th scope="row"' if place == 0 else f"td{_kind(name)}"
        yield f"<{tag}>{escaped(cell)}</{tag.split()[0].removesuffix('>')}>"


def _kind(name: str) -> str:
    return ' class="why"' if name == "why" else ' class="word"' if name in ("trigger", "window", "outcome") else ""


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _footer(result: Result) -> str:
    late = (
        f"Labels came {result['delay']} batches late; the baseline every has them at once. " if result["delay"] else ""
    )
    return (
        f"{escaped(late)}Each batch was served, then its labels were shown, then the planner decided. "
        "CPU counts retrains and probes (twins, archive, recalibration), not serving and drift checks. "
        "The best window of “every” is chosen in hindsight."
    )
