"""Whatever comes is read or refused: two thousand examples of every parser; a million by `make hostile`."""

import pytest

from hostile.fuzz import Parser, fuzz, parsers

MEMORY, FILES = 90, 25
"""Examples of each parser."""


@pytest.mark.parametrize("parser", parsers(), ids=lambda parser: parser.name)
def test_a_parser_reads_or_refuses(parser: Parser) -> None:
    """In its own words, and raises nothing else."""
    fuzz(parser, FILES if parser.slow else MEMORY)
