"""What is measured, what it was before, and the goal: one row of the table and of the picture each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Wanted:
    """One figure; `before` is what its document told when the goal was set, `floor` what cannot be beaten."""

    key: str
    name: str
    unit: str
    before: float
    goal: float
    floor: str
    at_least: bool = False

    def off(self, value: float) -> float:
        """How many times worse than the goal a value is; at most 1 where it is met."""
        worse = self.goal / value if self.at_least else value / self.goal
        return worse if value > 0 else math.inf


FIGURES = tuple(
    Wanted(*row)
    for row in (
        ("infer_1", "Open Inference Protocol ÷ predict, 1 row", "×", 0.49, 0.8, "1", True),
        ("infer_100", "Open Inference Protocol ÷ predict, 100 rows", "×", 0.48, 0.8, "1", True),
        ("invocations_1", "MLflow invocations ÷ predict, 1 row", "×", 0.69, 0.8, "1", True),
        ("invocations_100", "MLflow invocations ÷ predict, 100 rows", "×", 0.58, 0.8, "1", True),
        ("swap_tail", "p99 within swaps ÷ steady, 60 requests/s", "×", 3.0, 1.3, "1"),
        ("training_tail", "p99 beside a training ÷ idle, 60 requests/s", "×", 1.9, 1.3, "1.06"),
        ("backlog", "files of two rows in a backlog", "files/s", 32.0, 200.0, "one sync of the disk each: 500", True),
        ("decision", "file's close → its check, median", "ms", 90.0, 60.0, "10 ms"),
        ("decision_slowest", "file's close → its check, the slowest", "ms", 1350.0, 200.0, "10 ms"),
        ("rest_memory", "memory at rest, one small model, all processes (PSS)", "MB", 518.0, 250.0, "35 MB a process"),
        ("rest_cpu", "CPU at rest, one small model", "% of a core", 0.7, 0.1, "timers alone"),
        ("many_cpu", "CPU at rest, 200 models", "% of a core", 4.5, 1.0, "timers alone"),
        ("many_memory", "memory at rest, 200 models (resident)", "MB", 602.0, 400.0, "35 MB a process"),
        ("start", "start to ready", "s", 2.4, 1.2, "imports of what serves: .4 s"),
        ("check", "check of 100,000 × 50 with a reference of 1,000,000", "CPU s", 0.087, 0.05, ".02 on the grid"),
        ("check_long", "check of 1,000,000 × 50 with the same", "CPU s", 0.42, 0.25, ".2 on the grid"),
        ("replay", "replay of 45,000 rows", "CPU s", 13.0, 8.0, "its trainings"),
    )
)  # fmt: skip
BY_KEY: Mapping[str, Wanted] = {wanted.key: wanted for wanted in FIGURES}


def table(measured: Mapping[str, float]) -> list[str]:
    """Markdown, a row a figure that was measured."""
    lines = ["| what | before | now | goal | | floor |", "|---|---|---|---|---|---|"]
    for wanted in FIGURES:
        if wanted.key in measured:
            value, sign = measured[wanted.key], "≥" if wanted.at_least else "≤"
            met = "met" if wanted.off(value) <= 1 else "**missed**"
            numbers = f"{short(wanted.before)} | {short(value)} {wanted.unit} | {sign} {short(wanted.goal)}"
            lines.append(f"| {wanted.name} | {numbers} | {met} | {wanted.floor} |")
    return lines


def short(value: float) -> str:
    """Three digits.

    >>> short(1350.0), short(0.0874), short(32.0)
    ('1,350', '0.0874', '32')
    """
    return f"{float(f'{value:.3g}'):,.10g}"
