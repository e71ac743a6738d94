"""An object store by URI: whole objects that are put, read, listed and deleted. Nothing else is relied on, since
servers of the same protocol differ in the rest: no rename, no condition, no ETag as a digest. So names carry digests,
and who publishes several objects puts the one that names the others last."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlencode, urlsplit

from retrain.durable import crash_point
from retrain.records.errors import Refused, Retry
from retrain.records.store_uri import why_no_store
from retrain.store.backends.any_names import AnswerRefused, Stored
from retrain.store.backends.any_names import listed as listed_anyhow

EXTRA = "pip install 'driftd[s3]' into this environment"
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
HOPELESS = (
    "NoSuchBucket", "AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken", "InvalidToken",
    "PermanentRedirect", "AuthorizationHeaderMalformed", "incorrectly configured region",
)  # fmt: skip
"""What does not mend itself, in the words of servers and of obstore. A clock that is off does: RequestTimeTooSkewed."""
WAY_OUT = "check [service] store, the store's credentials and rights, AWS_ENDPOINT_URL and AWS_REGION"
NO_CREDENTIALS = "169.254.169.254"
"""Where obstore asks for the role of a machine of AWS, if nothing else says who it is."""
OF_ONE_OBJECT = ("AccessDenied", "InvalidObjectState")
"""Why one object cannot be read while others may: it is not this user's, or archived."""
PART = 8 * 2**20
LISTED = 1000
"""Names that a request lists."""
SIGNED = timedelta(minutes=1)
DELETED_AT_ONCE = 1000
T = TypeVar("T")


class StoreFailed(OSError):
    """The store did not do it; `hopeless` where it will not mend itself."""

    def __init__(self, message: str, hopeless: bool = False) -> None:
        super().__init__(message)
        self.message, self.hopeless = message, hopeless


class ObjectStore:
    """Objects below a prefix of a bucket; names are relative to it. Threads may share one. What says how it is reached
    is asked `again` where the server refuses: credentials are replaced while a service runs."""

    def __init__(
        self, uri: str, options: Mapping[str, str], again: Callable[[], Mapping[str, str]] | None = None
    ) -> None:
        try:
            import obstore
            from obstore.store import S3Store
        except ImportError:
            raise Refused("a store in S3 needs obstore, which is not installed", EXTRA) from None
        if (why := why_no_store(uri)) is not None:
            raise Refused(why)
        self.place = uri.rstrip("/")
        parts = urlsplit(self.place)
        self._bucket, self._prefix = parts.netloc, unquote(parts.path.lstrip("/"))
        self._has_odd_names = False
        self._obstore, self._unreadable, self._make = obstore, obstore.exceptions.InvalidPathError, S3Store
        self._options, self._again = dict(options), again
        self._store = self._reached(options)

    def _reached(self, options: Mapping[str, str]) -> Any:
        config: Any = {name.lower(): value for name, value in options.items() if name in OPTIONS}
        endpoint = config.get("aws_endpoint_url", "")
        client: Any = {"allow_http": endpoint.startswith("http://"), "connect_timeout": CONNECT, "timeout": WHOLE}
        self._config, self._client = config, client
        try:
            return self._make.from_url(self.place, config=config, client_options=client, retry_config=RETRIES)
        except Exception as error:  # obstore's have no common class
            raise Refused(f"cannot use the store {self.place}: {_line(error)}", "check its credentials") from None

    def put(self, name: str, path: Path) -> None:
        """A file's content under a name, in place of what was there; FileNotFoundError where the file is gone."""
        crash_point("store.before_put")

        with path.open("rb") as file:

            def sent() -> None:
                file.seek(0)
                self._obstore.put(self._store, name, file)

            self._do("put", sent)
        crash_point("store.after_put")

    def write(self, name: str, content: bytes) -> None:
        """A small object's content, in place of what was there."""
        crash_point("store.before_put")
        self._do("put", lambda: self._obstore.put(self._store, name, content))

    def get(self, name: str, path: Path, came: Callable[[int], None] = lambda _: None) -> None:
        """An object's content to a new file; which is as old as that, to the second; `came` hears of each part how
        many bytes it has. FileNotFoundError where there is none."""
        crash_point("store.before_get")

        def copied() -> None:
            about = self._obstore.head(self._store, name)
            size, at = about["size"], int(about["last_modified"].timestamp())
            with path.open("wb") as file:
                for start in range(0, size, PART):
                    end = min(start + PART, size)
                    file.write(self._obstore.get_range(self._store, name, start=start, end=end))
                    came(end - start)
            os.utime(path, (at, at))

        self._do("get", copied, name)

    def read(self, name: str) -> bytes:
        """A small object's content; FileNotFoundError where there is none."""
        return self._do("get", lambda: bytes(self._obstore.get(self._store, name).bytes()), name)

    def names(self, prefix: str = "") -> dict[str, Stored]:
        """What there is below a folder, by name; a folder ends with "/"."""
        return dict(self.listed(prefix))

    def listed(self, prefix: str = "") -> Iterator[tuple[str, Stored]]:
        """The same, page by page as the server gives it: a bucket may have millions."""

        def begun() -> tuple[Any, Any]:
            pages = iter(self._store.list(prefix or None))
            return pages, next(pages, None)

        pages, some = self._do("list", begun)
        while some:
            for one in some:
                yield one["path"], _stored(one)
            some = self._do("list", partial(next, pages, None))

    def pages(self) -> Iterator[list[tuple[str, Stored]]]:
        """All that is there, at most a thousand at a time, as each request answers. Others may put what they like:
        names that this client cannot ask for are among them (see `any_names.is_askable`), and after the first one the
        rest comes from the beginning, so that a name may come twice. StoreFailed."""
        if not self._has_odd_names:
            found: Any = self._store.list(chunk_size=LISTED)
            pages = iter(found)
            while (page := self._do("list", lambda: self._next(pages))) is not None:
                yield [(one["path"], _stored(one)) for one in page]
            if not self._has_odd_names:
                return
        yield from self._do_each("list", listed_anyhow(self._signed, self._prefix))

    def parts(self, name: str, size: int, is_same: Callable[[Stored], bool]) -> Iterator[bytes]:
        """The content of an object that was listed with that size, in order; `is_same` judges what each part is of.
        FileNotFoundError where it is gone, Retry where it is another one by now, Refused where this object may not be
        read while others may, StoreFailed."""
        crash_point("store.before_get")
        for start in range(0, size, PART):
            end = min(start + PART, size)
            try:
                seen, part = self._do("get", partial(self._range, name, start, end), name)
            except StoreFailed as error:
                if error.message.endswith("InvalidRange"):
                    raise Retry(f"{name} became shorter while it was read") from None
                if error.message.endswith(OF_ONE_OBJECT):
                    raise Refused(f"may not be read: {error.message.rpartition(' ')[2]}") from None
                raise
            if not is_same(seen):
                raise Retry(f"{name} changed while it was read")
            yield part

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
            self._do("delete", partial(self._delete, some))

    def _delete(self, names: list[str]) -> None:
        self._obstore.delete(self._store, names)

    def _next(self, pages: Iterator[Any]) -> Any:
        """The next page; None after the last one, and where there is a name that obstore cannot read."""
        try:
            return next(pages, None)
        except self._unreadable:
            self._has_odd_names = True
            return None

    def _range(self, name: str, start: int, end: int) -> tuple[Stored, bytes]:
        found = self._obstore.get(self._store, name, options={"range": (start, end)})
        return _stored(found.meta), bytes(found.bytes())

    def _signed(self, query: Mapping[str, str]) -> str:
        """The address of a question about the bucket, good for a minute. obstore signs addresses of objects alone: to
        that of the object "" it adds "/", here the end of the last parameter."""
        here = self._make(self._bucket, config=self._config, client_options=self._client)
        bucket = self._obstore.sign(here, "GET", "x", SIGNED).partition("?")[0].removesuffix("/x")
        last = {"prefix": self._prefix} if self._prefix else {"x-id": "ListObjectsV2"}
        asked = f"{bucket}?{urlencode({**query, **last}, quote_via=quote)}"
        config: Any = {**self._config, "aws_endpoint_url": asked, "aws_virtual_hosted_style_request": "true"}
        return str(
            self._obstore.sign(self._make(self._bucket, config=config, client_options=self._client), "GET", "", SIGNED)
        )

    def _do_each(self, what: str, found: Iterator[Any]) -> Iterator[Any]:
        while (one := self._do(what, lambda: next(found, None))) is not None:
            yield one

    def _do(self, what: str, call: Callable[[], T], name: str | None = None) -> T:
        """The call's answer, where credentials are refused that of another try with those that there are by now; what
        obstore raises as StoreFailed. What is missing is told apart only where a name is asked for: of a bucket that is
        missing it is told alike."""
        try:
            return self._told(what, call, name)
        except StoreFailed as error:
            if not error.hopeless or not self._is_renewed():
                raise
        return self._told(what, call, name)

    def _is_renewed(self) -> bool:
        """Whether it is reached otherwise by now, which it is from here on."""
        if self._again is None or (options := dict(self._again())) == self._options:
            return False
        self._options, self._store = options, self._reached(options)
        return True

    def _told(self, what: str, call: Callable[[], T], name: str | None) -> T:
        try:
            return call()
        except StoreFailed:
            raise
        except AnswerRefused as error:
            raise StoreFailed(f"{self.place}: {what} failed: {_line(error)}", _is_hopeless(error)) from None
        except FileNotFoundError as error:
            if name is not None and "NoSuchBucket" not in str(error):
                raise FileNotFoundError(f"{self.place}/{name}") from None
            raise StoreFailed(f"{self.place}: {what} failed: {_line(error)}", _is_hopeless(error)) from None
        except OSError:
            raise  # of the file
        except Exception as error:
            raise StoreFailed(f"{self.place}: {what} failed: {_line(error)}", _is_hopeless(error)) from None


def _stored(meta: Any) -> Stored:
    """Of what obstore tells."""
    return Stored(meta["size"], meta["last_modified"].timestamp(), (meta["e_tag"] or "").strip('"'))


def _line(error: Exception) -> str:
    """What a person needs of obstore's message: the server's code where it gave one, else its first line."""
    text = str(error)
    if (code := re.search(r"<Code>(\w+)</Code>", text)) is not None:
        return code[1]
    if NO_CREDENTIALS in text:
        return "no credentials: neither in store_file nor in the environment, and no role of this machine answers"
    first = text.split("\n\nDebug source", 1)[0].strip().splitlines()[-1:] or ["no answer"]
    return first[0].strip()[:300]


def _is_hopeless(error: Exception) -> bool:
    return any(code in str(error) for code in HOPELESS)
