"""Classes of a target whose labels do not count: undeclared ones, mistyped ones, and new ones that nobody approved.

Their rows are kept and checked like rows without a label; nothing is learned from them or evaluated on them. Pure."""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

NAMED = 5
"""Classes named in a sentence."""
WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")


@dataclass(frozen=True)
class NewClass:
    """A class whose labels do not count: how many rows have it, and how many it needs; `meant` is the class that it is
    a likely misspelling of, "" for none. Where classes are `declared`, only the declaration can let it in."""

    name: str
    rows: int
    needed: int
    meant: str = ""
    approved: bool = False
    declared: bool = False

    def sentence(self) -> str:
        """What it is, and why it does not count.

        >>> NewClass("Yes", 3, 20, "yes").sentence()
        "'Yes' (3 rows) differs from 'yes' only in case or blanks: likely mistyped"
        """
        rows = f"{self.rows:,} row{'' if self.rows == 1 else 's'}"
        if self.meant:
            return f"{self.name!r} ({rows}) differs from {self.meant!r} only in case or blanks: likely mistyped"
        if self.declared:
            return f"{self.name!r} ({rows}) is not among the declared categories"
        if self.approved:
            return f"{self.name!r} is approved and has {rows} of the {self.needed:,} that it needs"
        if self.rows < self.needed:
            return f"{self.name!r} is a new class of {rows}; it needs {self.needed:,}, and to be approved"
        return f"{self.name!r} is a new class of {rows}; it needs to be approved"


@dataclass(frozen=True)
class KnownClasses:
    """What is known of a target's classes: those that the configuration declares (None: it does not), those that
    promoted versions learned, those that a person approved, and the rows that any other class needs."""

    declared: tuple[str, ...] | None = None
    learned: frozenset[str] = frozenset()
    approved: frozenset[str] = frozenset()
    needed: int = 2

    def withheld(self, rows: Mapping[str, int]) -> tuple[NewClass, ...]:
        """Of the classes that labels have, with their rows, those that do not count, by name.

        Before the first model every class counts that has the rows that it needs and is not a misspelling of a more
        frequent one; afterwards a new class also needs a person's approval."""
        spelled = _spellings(rows)
        counting = {name for name in rows if self._counts(name, rows[name], spelled)}
        meant = _spellings({name: rows[name] for name in counting}) if self.declared is None else {
            _plain(name): name for name in reversed(self.declared)
        }  # fmt: skip
        return tuple(
            NewClass(
                name, rows[name], self.needed, "" if name in self.approved else meant.get(_plain(name), ""),
                name in self.approved, self.declared is not None,
            )
            for name in sorted(rows.keys() - counting)
        )  # fmt: skip

    def _counts(self, name: str, rows: int, spelled: Mapping[str, str]) -> bool:
        if self.declared is not None:
            return name in self.declared
        if name in self.learned:
            return True
        if rows < self.needed or name in self.approved:
            return name in self.approved and rows >= self.needed
        return not self.learned and spelled[_plain(name)] == name


def _spellings(rows: Mapping[str, int]) -> dict[str, str]:
    """Of names that differ in case and blanks only, the most frequent one."""
    return {_plain(name): name for name in sorted(rows, key=lambda name: (rows[name], name))}


def meant_class(name: str, classes: Sequence[str]) -> str:
    """The first of the classes from which a name differs in case and blanks only; "" for none.

    >>> meant_class("Yes ", ("no", "yes")), meant_class("maybe", ("no", "yes"))
    ('yes', '')
    """
    return next((other for other in classes if other != name and _plain(other) == _plain(name)), "")


def spelled(name: str, known: Collection[str] = ()) -> str:
    """A class as the `known` ones write it where they mean the same: equal whole numbers, and truths in any case, are
    one class. Other numbers stay as they are: "1.10" may be a version.

    >>> spelled("1.0"), spelled("TRUE"), spelled("1", ["0.0", "1.0"]), spelled("1.10"), spelled("007")
    ('1', 'true', '1.0', '1.10', '007')
    """
    return name if name in known else odd_spellings(known).get(unified(name), unified(name))


def odd_spellings(known: Collection[str]) -> dict[str, str]:
    """Known classes that are written otherwise than `unified` writes them, by how it does."""
    return {plain: name for name in sorted(known, reverse=True) if (plain := unified(name)) != name}


def unified(name: str) -> str:
    """A class as it is written where none is known."""
    text = name.strip()
    if text.casefold() in ("true", "false"):
        return text.casefold()
    whole, _, fraction = text.partition(".")
    is_number = WHOLE.fullmatch(whole) and fraction and not fraction.strip("0")
    return whole if is_number else name


def undeclared(name: str, classes: Sequence[str]) -> str:
    """What is wrong with a label that is none of the declared classes.

    >>> undeclared("YES", ("no", "yes"))
    "'YES' is none of the declared classes no, yes; 'yes' was likely meant: only case or blanks differ"
    """
    listed = ", ".join(classes[:NAMED]) + (f" and {len(classes) - NAMED} more" if len(classes) > NAMED else "")
    meant = meant_class(name, classes)
    likely = f"; {meant!r} was likely meant: only case or blanks differ" if meant else ""
    return f"{name!r} is none of the declared classes {listed}{likely}"


def way_out(model: str, classes: Collection[NewClass]) -> str:
    """What a person does about classes that do not count."""
    if any(one.declared for one in classes):
        return "if mistyped, correct the file; else add it to the target's categories in the configuration"
    waiting = [one for one in classes if not one.approved]
    if not waiting:
        return "it counts once it has them, or with a smaller triggers.first_class_rows"
    chosen = [one for one in waiting if not one.meant] or waiting
    flags = " ".join(f"--class {shlex.quote(one.name)}" for one in chosen[:NAMED])
    return f"if mistyped, correct the file; if a class of its own, `driftd approve --model {model} {flags}`"


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())
