"""The options of `driftd replay` that say when labels come."""

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from daemon.cli.session import WRONG_USE, Exit

if TYPE_CHECKING:
    from daemon.tools.replay.label_times import LabelTimes
    from daemon.tools.replay.subject import Subject


@dataclass(frozen=True)
class LateLabels:
    """The options as they were given."""

    delay: str
    label_time: str
    arrival: str
    positives_first: str
    positive_class: str

    @property
    def given(self) -> dict[str, str]:
        """Those that ask for something, by name."""
        named = {"--" + name.replace("_", "-"): value for name, value in asdict(self).items()}
        return {name: value for name, value in named.items() if value.strip() not in ("", "0")}

    def times(self) -> "LabelTimes":
        """The schedule. Exit 2 where options contradict each other, or say nothing that can be understood."""
        from daemon.tools.replay.label_times import LabelTimes, arriving, late
        from retrain.records.errors import WrongUse

        schedules = [name for name in self.given if name != "--positive-class"]
        if len(schedules) > 1:
            raise Exit(WRONG_USE, f"{' and '.join(schedules)} each say when labels come; give one of them")
        arrival = f"positives-first:{self.positives_first}" if self.positives_first else self.arrival
        try:
            if self.label_time:
                times = LabelTimes("column", column=self.label_time)
            else:
                times = arriving(arrival, self.positive_class) if arrival else late(self.delay)
        except WrongUse as error:
            raise Exit(WRONG_USE, str(error)) from None
        if self.positive_class and not times.by_class:
            raise Exit(WRONG_USE, "--positive-class goes with --positives-first, or with an --arrival class by class")
        return times


def with_time(subject: "Subject", column: str) -> "Subject":
    """With the rows' times in a column. Exit 2 where a configuration names another one."""
    known = subject.settings.time_column
    if not column or column == known:
        return subject
    if known is not None and subject.configured:
        raise Exit(WRONG_USE, f"the configuration has time_column {known!r}; leave --time out")
    settings = subject.settings.model_copy(update={"time_column": column})
    notes = tuple(note for note in subject.notes if "is taken as the time column" not in note)
    return replace(subject, settings=settings, notes=notes)
