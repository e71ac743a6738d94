"""The names of shards: part of a schema's name in the database and of a prefix in the store. Pure."""

import re

from daemon.config.paths import KEPT_FOLDERS
from daemon.config.uploads import UPLOADS

NAME = re.compile(r"[A-Za-z0-9_]{1,40}")
TAKEN = (*KEPT_FOLDERS, UPLOADS)
"""What a service without a shard calls its own folders in the store."""
PARAMETER = "shard"
"""Of a ledger's URL, as driftd's own parts hand it on."""


def why_no_shard(name: str) -> str | None:
    """What is wrong with a name; None where nothing is.

    >>> why_no_shard("eu_1"), why_no_shard('eu"; drop')
    (None, 'shard is no name of one; expected letters, digits and _, at most 40')
    >>> why_no_shard("versions")
    'shard is the name of a folder that the store has anyway; expected another one'
    """
    if NAME.fullmatch(name) is None:
        return "shard is no name of one; expected letters, digits and _, at most 40"
    return "shard is the name of a folder that the store has anyway; expected another one" if name in TAKEN else None


def url_of_shard(url: str, name: str) -> str:
    """The URL of a database as that of a shard in it.

    >>> url_of_shard("postgresql://ada@db/ledger?sslmode=require", "eu")
    'postgresql://ada@db/ledger?sslmode=require&shard=eu'
    """
    return f"{url}{'&' if '?' in url else '?'}{PARAMETER}={name}"
