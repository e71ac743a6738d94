"""An object store by URI: whole objects that are put, read, listed and deleted. Nothing else is relied on, since
servers of the same protocol differ in the rest: no rename, no condition, no ETag as a digest. So names carry digests,
and who publishes several objects puts the one that names the others last."""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from retrain.durable import crash_point
from retrain.records.errors import Refused

EXTRA = "pip install 'driftd[s3]' into this environment"
SCHEMES = ("s3",)
EXPECTED = "expected s3://BUCKET or s3://BUCKET/PREFIX"
OPTIONS = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_METADATA_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID", "AWS_REQUEST_PAYER",
)  # fmt: skip
"""The environment's variables that say how a store is reached, as AWS's own tools call them."""
CONNECT, WHOLE = "5s", "30s"
"""For a connection, and for a request: of large objects each carries a part."""
RETRIES: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}
HOPELESS = ("NoSuchBucket", "AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "PermanentRedirect")
PART = 8 * 2**20
DELETED_AT_ONCE = 1000


class StoreFailed(OSError):
    """The store did not do it; `hopeless` where it will not mend itself."""

    def __init__(self, message: str, hopeless: bool = False) -> None:
        super().__init__(message)
        self.message, self.hopeless = message, hopeless


@dataclass(frozen=True)
class Stored:
    """An object as it is listed: bytes, and when it was put (Unix seconds)."""

    size: int
    at: float


class ObjectStore:
    """Objects below a prefix of a bucket; names are relative to it. Threads may share one."""

    def __init__(self, uri: str, options: Mapping[str, str]) -> None:
        try:
            import obstore
            from obstore.store import S3Store
        except ImportError:
            raise Refused("a store in S3 needs obstore, which is not installed", EXTRA) from None
        if (why := why_no_store(uri)) is not None:
            raise Refused(why)
        self.place = uri.rstrip("/")
        self._obstore = obstore
        config: Any = {name.lower(): value for name, value in options.items() if name in OPTIONS}
        endpoint = config.get("aws_endpoint_url", "")
        client: Any = {"allow_http": endpoint.startswith("http://"), "connect_timeout": CONNECT, "timeout": WHOLE}
        try:
            self._store = S3Store.from_url(self.place, config=config, client_options=client, retry_config=RETRIES)
        except Exception as error:  # obstore's have no common class
            raise Refused(f"cannot use the store {self.place}: {_line(error)}", "check its credentials") from None

    def put(self, name: str, path: Path) -> None:
        """A file's content under a name, in place of what was there; FileNotFoundError where the file is gone."""
        crash_point("store.before_put")
        with path.open("rb") as file:
            self._do("put", lambda: self._obstore.put(self._store, name, file))
        crash_point("store.after_put")

    def get(self, name: str, path: Path) -> None:
        """An object's content to a new file, which is as old as that, to the second; FileNotFoundError where there is
        none."""
        crash_point("store.before_get")

        def copied() -> None:
            about = self._obstore.head(self._store, name)
            size, at = about["size"], int(about["last_modified"].timestamp())
            with path.open("wb") as file:
                for start in range(0, size, PART):
                    file.write(self._obstore.get_range(self._store, name, start=start, end=min(start + PART, size)))
            os.utime(path, (at, at))

        self._do("get", copied, name)

    def read(self, name: str) -> bytes:
        """A small object's content; FileNotFoundError where there is none."""
        return bytes(self._do("get", lambda: self._obstore.get(self._store, name).bytes(), name))

    def names(self, prefix: str = "") -> dict[str, Stored]:
        """What there is below a folder, by name; a folder ends with "/"."""
        listed = self._do("list", lambda: list(self._store.list(prefix or None)))
        found: Iterable[Any] = (one for some in listed for one in some)
        return {one["path"]: Stored(one["size"], one["last_modified"].timestamp()) for one in found}

    def look(self) -> int:
        """How many folders and objects the prefix has, one level deep: the cheapest question."""
        found = self._do("list", lambda: self._obstore.list_with_delimiter(self._store))
        return len(found["objects"]) + len(found["common_prefixes"])

    def delete(self, names: Collection[str]) -> None:
        """Those that are there."""
        left = list(names)
        while left:
            crash_point("store.before_delete")
            some, left = left[:DELETED_AT_ONCE], left[DELETED_AT_ONCE:]
            self._do("delete", lambda some=some: self._obstore.delete(self._store, some))

    def _do(self, what: str, call: Any, name: str | None = None) -> Any:
        """The call's answer; what obstore raises as StoreFailed. What is missing is told apart only where a name is
        asked for: of a bucket that is missing it is told alike."""
        try:
            return call()
        except StoreFailed:
            raise
        except FileNotFoundError as error:
            if name is not None and "NoSuchBucket" not in str(error):
                raise FileNotFoundError(f"{self.place}/{name}") from None
            raise StoreFailed(f"{self.place}: {what} failed: {_line(error)}", _is_hopeless(error)) from None
        except OSError:
            raise  # of the file
        except Exception as error:
            raise StoreFailed(f"{self.place}: {what} failed: {_line(error)}", _is_hopeless(error)) from None


def why_no_store(uri: str) -> str | None:
    """What is wrong with a store's URI; None where nothing is.

    >>> why_no_store("s3://models/driftd"), why_no_store("/mnt/models")
    (None, 'store is no URI of an object store; expected s3://BUCKET or s3://BUCKET/PREFIX')
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        return f"store cannot be read; {EXPECTED}"
    if parts.scheme not in SCHEMES or not parts.netloc:
        return f"store is no URI of an object store; {EXPECTED}"
    if "@" in parts.netloc or parts.query or parts.fragment:
        return f"store has more than a bucket and a prefix; {EXPECTED}"
    return None


def _line(error: Exception) -> str:
    """What a person needs of obstore's message: the server's code where it gave one, else its first line."""
    text = str(error)
    if (code := re.search(r"<Code>(\w+)</Code>", text)) is not None:
        return code[1]
    first = text.split("\n\nDebug source", 1)[0].strip().splitlines()[-1:] or ["no answer"]
    return first[0].strip()[:300]


def _is_hopeless(error: Exception) -> bool:
    return any(code in str(error) for code in HOPELESS)
