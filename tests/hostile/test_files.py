"""The small files of the corpus, each with the right reason; all of them by `make hostile`."""

from dataclasses import replace

from hostile.files import SIZES, kinds
from hostile.taking import take_all


def test_every_small_file_ends_with_the_right_reason() -> None:
    """And the process that reads them stays, within its memory."""
    broken: list[str] = []
    small = [replace(kind, largest=SIZES[0]) for kind in kinds()]
    taken = take_all(small, lambda kept, promise: None if kept else broken.append(promise))
    assert broken == [] and taken >= 35
