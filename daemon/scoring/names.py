"""What the files of a scoring are called. Imports no library that reads: control asks, too."""

from pathlib import Path

REJECTS, RECEIPT = ".rejects.jsonl", ".receipt.json"
"""Behind a result's name: the list of rows that cannot be answered, and what was scored by whom."""
COMPRESSED = (".gz", ".zst")
INSTEAD = {".xlsx": ".csv", ".json": ".jsonl", ".txt": ".csv"}
"""What the result of a file is called, by its ending, where files of such a name are only read."""


def beside(final: Path) -> tuple[Path, Path]:
    """The list and the receipt of a result."""
    return final.with_name(final.name + REJECTS), final.with_name(final.name + RECEIPT)


def is_of_a_result(name: str) -> bool:
    """Whether a file is called as the list or the receipt of a result is.

    >>> is_of_a_result("a.csv.rejects.jsonl"), is_of_a_result("a.jsonl")
    (True, False)
    """
    return name.lower().endswith((REJECTS, RECEIPT))


def passing(final: Path) -> Path:
    """The name of a file until all of it is there."""
    return final.with_name(f".{final.name}.tmp")


def result_name(source: Path | str) -> str:
    """As a file is called, with an ending that can be written.

    >>> result_name("a/b.csv.gz"), result_name("b.xlsx"), result_name("b.json.gz")
    ('b.csv.gz', 'b.csv', 'b.jsonl')
    """
    name = bare = Path(source).name
    for ending in COMPRESSED:
        bare = bare.removesuffix(ending)
    suffix = Path(bare).suffix
    return bare.removesuffix(suffix) + INSTEAD[suffix.lower()] if suffix.lower() in INSTEAD else name
