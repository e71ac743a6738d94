"""Fixtures that stories share."""

from collections.abc import Iterator

import pytest
from postgresql import Server


@pytest.fixture
def url(postgresql: Server) -> Iterator[str]:
    """Of a database with an empty ledger."""
    with postgresql.ledger() as made:
        yield made
