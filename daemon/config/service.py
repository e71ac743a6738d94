"""The section [service] of the configuration."""

from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from daemon.config.shards import PARAMETER, why_no_shard
from retrain.records.settings import Duration, Frozen, Size, Wait
from retrain.records.store_uri import why_no_store

DASK, DASK_TLS = "dask://", "dask+tls://"
LEDGER_URLS = ("postgresql+psycopg", "postgresql", "postgres")
EXPECTED_LEDGER = "expected postgresql+psycopg://USER@HOST:PORT/DATABASE"
SERVERS_READ = "only servers read it"
"""Marks a key that fresh servers have: a reload applies it at once."""


class LogSettings(Frozen):
    """Where log events go besides standard output or the journal."""

    file: str | None = None
    """A file to which each event is appended as a line of JSON, by all processes; relative to the configuration. It may
    be renamed, removed or cut at any moment: see [rotation](logs.md#rotation)."""


class ServiceSettings(Frozen):
    """What concerns the whole service. A reload applies at once what only servers read; the rest takes effect at the
    next start."""

    state_dir: str = "state"
    """Everything that driftd remembers; one daemon a folder."""
    ledger: str | None = None
    """The database that keeps the ledger in place of a file in `state_dir`:
    `postgresql+psycopg://USER@HOST:PORT/DATABASE`, without a password; needs `driftd[postgres]`. See
    [the ledger in PostgreSQL](ledger.md)."""
    ledger_file: str | None = None
    """A file with that URL in its place, which may have a password; without either the systemd credential
    `driftd-ledger-url`, and without that the file in `state_dir`."""
    shard: str | None = None
    """A name of letters, digits and `_`, at most 40, where several services with models of their own share a database
    and a bucket: this one's ledger is the schema `shard_NAME` there, its store `…/NAME`, its leader its own. Needs a
    ledger in a database. See [several services](scale.md#several-services)."""
    lease: Duration = Field(default=10.0, ge=1)
    """With a ledger in a database: so long after a host that leads is gone [another one takes over](failover.md)."""
    store: str | None = None
    """The object store that keeps what `state_dir` has besides the ledger, so that another host can go on:
    `s3://BUCKET/PREFIX`; needs a ledger in a database and `driftd[s3]`. See [files in an object store](store.md)."""
    store_file: str | None = None
    """A file of lines `AWS_ACCESS_KEY_ID=…` that say how the store is reached; without it the systemd credential
    `driftd-store`. The environment's variables count where the file has none. They are those of a
    `data_dir` in an object store, too, unless `data_dir_file` says otherwise."""
    store_grace: Duration = 86400.0
    """What is gone from `state_dir` goes from the store so long after that."""
    executor: str = "local"
    """Where cycles prepare, train and evaluate: `"local"`, in a process of this host, or on the workers of a Dask
    cluster by the address of its scheduler, `"dask://127.0.0.1:8786"`, beyond this machine `"dask+tls://HOST:8786"`;
    needs `driftd[dask]`. See [stages on a cluster](cluster.md)."""
    executor_ca: str | None = None
    """The certificate of the authority that the scheduler's is checked by; with `executor_cert` and `executor_key` what
    `dask+tls://` needs."""
    executor_cert: str | None = None
    """The certificate by which driftd shows who it is."""
    executor_key: str | None = None
    """Its key."""
    executor_wait: Duration = 600.0
    """So long a stage waits for a worker that is free; then the attempt failed."""
    listen: str = "127.0.0.1:8080"
    """Where predictions are served; a [socket from systemd](operations.md) comes first."""
    workers: int = Field(default=1, ge=1, le=64)
    """Server processes, all on the socket of `listen`."""
    load: Annotated[Literal["at_start", "when_asked"], SERVERS_READ] = "at_start"
    """When servers load a model's version. `"when_asked"`: when somebody first asks for it, who waits so long; what is
    promoted then at once where somebody did within an hour. For [many models of which few are
    asked](serving.md#many-models)."""
    max_body: Annotated[Size, SERVERS_READ] = 16 * 10**6
    """Largest body of a request, before and after decompression."""
    max_waiting: Annotated[int, SERVERS_READ] = Field(default=1024, ge=1)
    """Requests that a server process lets wait for their answer; more get 503."""
    request_time: Annotated[Duration, SERVERS_READ] = 30.0
    """Time for a request to arrive whole."""
    drain: Wait = 5.0
    """After SIGTERM so long the servers still answer whatever comes, with `Connection: close`, while
    `/v2/health/ready` is 503, so that a balancer sends nothing more. `"0s"` switches it off; a second signal ends it.
    Not where systemd holds the socket, which keeps what comes for the next start, nor after Ctrl-C."""
    hosts: Annotated[tuple[str, ...], SERVERS_READ] = ()
    """Names besides `localhost` under which the servers are asked, and whose pages may ask, such as
    `["driftd.example.com"]`; see [HTTP](http.md#who-may-ask). Unless set, a server that listens beyond this machine
    answers to any name."""
    read_token_file: Annotated[str | None, SERVERS_READ] = None
    """A file of bearer tokens, one a line, that may predict and look, also at the [status page](page.md);
    see [HTTP](http.md#tokens)."""
    admin_token_file: Annotated[str | None, SERVERS_READ] = None
    """A file of bearer tokens that may also send labels, and act on the [status page](page.md#acting)."""
    page: bool = True
    """Whether the servers show the [status page](page.md) at `/`."""
    page_acts: Annotated[bool, SERVERS_READ] = False
    """Whether the [status page](page.md#acting) may act where no token is configured; only on loopback."""
    timezone: str = "UTC"
    """In which the schedules are read."""
    group: str | None = None
    """Members of this group may use the command line beside the service's user."""
    min_free: Size = 500 * 10**6
    """Below this much free disk no files are taken in and no stage begins; serving goes on."""
    events: Duration = 90 * 86400.0
    """How long log events (at most 200,000), finished commands and done schedules are kept in the ledger."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """`debug`, `info`, `warning` or `error`."""
    log_format: Literal["auto", "console", "json", "journal"] = "auto"
    """`auto` (journal under systemd, console on a terminal, else JSON), or one of `console`, `json`, `journal`."""

    log: LogSettings = LogSettings()

    @field_validator("listen")
    @classmethod
    def _address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 <= int(port) < 65536:
            raise ValueError('expected "HOST:PORT", such as "127.0.0.1:8080"')
        return value

    @model_validator(mode="after")
    def _one_ledger(self) -> Self:
        """What is wrong with a URL is told without it: it may have a secret."""
        if self.ledger is not None and self.ledger_file is not None:
            raise ValueError("expected ledger or ledger_file, not both")
        if self.ledger is not None and (why := why_no_ledger(self.ledger, secret=False)) is not None:
            raise ValueError(why)
        return self

    @field_validator("store")
    @classmethod
    def _store(cls, value: str | None) -> str | None:
        if value is not None and (why := why_no_store(value)) is not None:
            raise ValueError(why)
        return value

    @field_validator("shard")
    @classmethod
    def _shard(cls, value: str | None) -> str | None:
        if value is not None and (why := why_no_shard(value)) is not None:
            raise ValueError(why)
        return value

    @model_validator(mode="after")
    def _executor(self) -> Self:
        files = (self.executor_ca, self.executor_cert, self.executor_key)
        if (why := why_no_executor(self.executor, all(files))) is not None:
            raise ValueError(why)
        if any(files) and not self.executor.startswith(DASK_TLS):
            raise ValueError(f"executor_ca, executor_cert and executor_key are of {DASK_TLS}HOST:8786")
        return self

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError):
            raise ValueError('expected a time zone such as "UTC" or "Europe/Vienna"') from None
        return value

    @classmethod
    def reloaded(cls) -> frozenset[str]:
        """The keys that a reload applies."""
        return frozenset(name for name, field in cls.model_fields.items() if SERVERS_READ in field.metadata)


def why_no_executor(executor: str, has_files: bool) -> str | None:
    """What is wrong with the address of an executor; None where nothing is. `has_files`: whether those of TLS are
    named.

    >>> why_no_executor("dask://10.0.0.7:8786", False).split("; ")[1]
    'expected dask+tls://HOST:PORT with executor_ca, executor_cert and executor_key'
    >>> why_no_executor("dask://[::1]:8786", False), why_no_executor("dask+tls://10.0.0.7:8786", True)
    (None, None)
    """
    if executor == "local":
        return None
    expected = f'expected "local", "{DASK}127.0.0.1:8786" or "{DASK_TLS}HOST:8786"'
    try:
        parts = urlsplit(executor)
        host, port = parts.hostname, parts.port
    except ValueError:
        return f"executor cannot be read; {expected}"
    is_plain = parts.path == parts.query == parts.fragment == "" and parts.username is None
    if f"{parts.scheme}://" not in (DASK, DASK_TLS) or not host or port is None or not is_plain:
        return f"executor is {executor!r}; {expected}"
    needed = "executor_ca, executor_cert and executor_key"
    if parts.scheme == "dask+tls":
        return None if has_files else f"executor is {executor}; expected {needed} with it"
    if not _is_loopback(host):
        return (
            f"executor is {executor}, beyond this machine and without TLS: who reaches a port of Dask runs code there; "
            f"expected {DASK_TLS}HOST:PORT with {needed}"
        )
    return None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def why_no_ledger(url: str, secret: bool) -> str | None:
    """What is wrong with the URL of a ledger, in words that do not tell it; None where nothing is. A password is taken
    only where it is `secret`.

    >>> why_no_ledger("sqlite:///a.db", secret=False)
    'ledger is of no database that can keep it; expected postgresql+psycopg://USER@HOST:PORT/DATABASE'
    >>> why_no_ledger("postgresql://u@h/d", secret=False), why_no_ledger("postgresql+psycopg://u:p@h/d", secret=True)
    (None, None)
    """
    user, _, _ = url.partition("?")[0].partition("://")[2].rpartition("@")  # a password may have a slash
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return f"ledger cannot be read; {EXPECTED_LEDGER}"
    if parts.scheme not in LEDGER_URLS:
        return f"ledger is of no database that can keep it; {EXPECTED_LEDGER}"
    if not secret and (":" in user or "password=" in parts.query):
        return "ledger has a password; expected the URL in ledger_file, or in the systemd credential"
    if PARAMETER in parse_qs(parts.query, keep_blank_values=True):
        return "ledger names a shard; expected it in shard"
    return None
