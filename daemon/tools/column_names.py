"""Names of columns as people give them on the command line."""

from collections.abc import Iterable, Sequence

from retrain.records.errors import WrongUse


def listed_columns(given: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """The columns that options such as `--ignore a,b --ignore c` name; a column's own name may have commas in it.
    WrongUse where one is none of `names`.

    >>> listed_columns(["a,b", "c, d"], ["a", "b", "c, d"])
    ('a', 'b', 'c, d')
    """
    known = list(dict.fromkeys(names))
    found = [name for text in given for name in ([text] if text in known else map(str.strip, text.split(",")))]
    for name in found:
        if name not in known:
            more = f" and {len(known) - 10} more" if len(known) > 10 else ""
            raise WrongUse(f"{name!r} is no column; there are {', '.join(known[:10])}{more}")
    return tuple(dict.fromkeys(found))
