"""The key by which people who are forgotten are known again."""

import os

from daemon.config.paths import StatePaths
from daemon.reading.marks import KEY_BYTES
from retrain import durable
from retrain.records.errors import Refused

WAY_OUT = (
    "restore it from a backup's `state` folder; without one make another (`head -c 32 /dev/urandom > forget.key`, mode "
    "600, in the state folder) and forget all of them again by their ids"
)


def make_key(paths: StatePaths, is_anyone: bool) -> bytes:
    """The key of the state folder, made where there is none; OSError. Refused where it is lost, for somebody is
    forgotten already: by another one nobody would know them again."""
    if not paths.forget_key.exists():
        if is_anyone:
            raise Refused(f"{paths.forget_key} is lost, by which people who are forgotten are known again", WAY_OUT)
        durable.replace_file(paths.forget_key, os.urandom(KEY_BYTES), "forget.key")
        paths.forget_key.chmod(0o600)
    return read_key(paths)


def read_key(paths: StatePaths) -> bytes:
    """The same; OSError where it is not there, or not whole."""
    try:
        key = paths.forget_key.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{paths.forget_key} is lost; {WAY_OUT}") from None
    if len(key) != KEY_BYTES:
        raise OSError(f"{paths.forget_key} is damaged; {WAY_OUT}")
    return key
