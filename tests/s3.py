"""A real S3 server for tests: Ceph's object gateway of Debian's packages, with its data in memory; gone after the tests."""

import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from daemon_harness import free_port
from helpers import wait_for

from retrain.store.backends.objects import ObjectStore

PROGRAMS = "radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool"
needs_s3 = pytest.mark.skipif(
    any(shutil.which(name) is None for name in PROGRAMS),
    reason="there is no S3 server: `apt install radosgw ceph-osd ceph-mon ceph-common`",
)
KEY, OTHER, SECRET = "driftd", "other", "battery-staple"
CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon}/0
public addr = 127.0.0.1
auth allow insecure global id reclaim = false
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
log file = {folder}/$name.log
mon data = {folder}/mon
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
osd class load list = *
osd class default list = *
rgw frontends = beast endpoint={address}:{port}
rgw max concurrent requests = 64
rgw thread pool size = 16
debug mon = 0
debug osd = 0
debug rgw = 0
debug ms = 0
"""


@dataclass(frozen=True)
class S3:
    """Where it listens."""

    folder: Path
    port: int
    address: str = "127.0.0.1"

    @property
    def options(self) -> Mapping[str, str]:
        """How it is reached, as the environment's variables say it."""
        return {
            "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{self.address}:{self.port}",
        }  # fmt: skip

    def bucket(self) -> str:
        """The URI of a new bucket."""
        from obstore import sign
        from obstore.store import S3Store

        name = f"b{uuid.uuid4().hex}"
        config = {option.lower(): value for option, value in self.options.items()}
        store = S3Store(name, config=config, client_options={"allow_http": True})  # type: ignore[arg-type]
        url = sign(store, "PUT", "", timedelta(minutes=1))
        urllib.request.urlopen(urllib.request.Request(url, data=b"", method="PUT"), timeout=60).close()
        return f"s3://{name}"

    def put(self, uri: str, name: str, content: bytes) -> None:
        """An object below a prefix, under any name: also those that driftd's client has no path for."""
        from obstore import sign
        from obstore.store import S3Store

        place = quote(f"{uri.removeprefix('s3://')}/{name}")
        asked = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}/{place}?x-id="}
        config: Any = {option.lower(): value for option, value in {**self.options, **asked}.items()}
        config["aws_virtual_hosted_style_request"] = "true"  # the address is taken as it is
        url = sign(S3Store("any", config=config, client_options={"allow_http": True}), "PUT", "", timedelta(minutes=1))
        urllib.request.urlopen(urllib.request.Request(url, data=content, method="PUT"), timeout=60).close()

    def store(self, uri: str) -> ObjectStore:
        """As driftd uses it."""
        return ObjectStore(uri, self.options)

    @property
    def other(self) -> Mapping[str, str]:
        """How another user reaches it, who may do what `allow` says."""
        return {**self.options, "AWS_ACCESS_KEY_ID": OTHER, "AWS_SECRET_ACCESS_KEY": SECRET}

    def allow(self, uri: str, *actions: str) -> None:
        """Let the other user do these in a bucket, and nothing else: "s3:GetObject"."""
        bucket = urlsplit(uri).netloc
        statement = {
            "Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam:::user/{OTHER}"]}, "Action": actions,
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        }  # fmt: skip
        content = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()
        self._signed("PUT", f"/{bucket}", "policy=", content)

    def _signed(self, method: str, path: str, query: str, content: bytes) -> None:
        """A request signed as AWS's Signature Version 4 says, for what obstore has no call for."""
        now, host = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"), f"127.0.0.1:{self.port}"
        headers = {"host": host, "x-amz-content-sha256": hashlib.sha256(content).hexdigest(), "x-amz-date": now}
        names, scope = ";".join(headers), f"{now[:8]}/us-east-1/s3/aws4_request"
        lines = [method, path, query, *(f"{name}:{value}" for name, value in headers.items()), "", names]
        canonical = hashlib.sha256("\n".join([*lines, headers["x-amz-content-sha256"]]).encode()).hexdigest()
        key = f"AWS4{SECRET}".encode()
        for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{canonical}"):
            key = hmac.digest(key, part.encode(), "sha256")
        told = f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
        url = f"http://{host}{path}?{query}"
        request = urllib.request.Request(url, content, {**headers, "Authorization": told}, method=method)
        urllib.request.urlopen(request, timeout=60).close()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Requests get no answer meanwhile."""
        pid = int((self.folder / "client.rgw.pid").read_text())
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def running_s3(address: str = "127.0.0.1") -> Iterator[S3]:
    """One monitor, one store of objects in memory, one gateway that listens there."""
    folder = Path(tempfile.mkdtemp(prefix="driftd-s3-"))
    server = S3(folder, free_port(), address)
    try:
        _start(server)
        yield server
    finally:
        for file in folder.glob("*.pid"):
            os.kill(int(file.read_text()), signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def _start(server: S3) -> None:
    folder, fsid, mon, osd = server.folder, str(uuid.uuid4()), free_port(), str(uuid.uuid4())
    configuration, keys = folder / "ceph.conf", str(folder / "keyring")
    configuration.write_text(
        CONFIGURATION.format(folder=folder, fsid=fsid, mon=mon, address=server.address, port=server.port)
    )
    for name in ("mon", "osd"):
        (folder / name).mkdir()
    of = ("-c", str(configuration))
    _run("ceph-authtool", "--create-keyring", keys, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
    for who in ("client.admin", "client.rgw"):
        caps = [word for part in ("mon", "osd", "mgr") for word in ("--cap", part, "allow *")]
        _run("ceph-authtool", keys, "--gen-key", "-n", who, *caps)
    monitors = str(folder / "monmap")
    _run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"v2:127.0.0.1:{mon}", monitors)
    _run("ceph-mon", *of, "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keys)
    _run("ceph-mon", *of, "-i", "a")
    key = _run("ceph-authtool", "--gen-print-key").strip()
    _run("ceph", *of, "osd", "new", osd, "-i", "-", said=f'{{"cephx_secret": "{key}"}}')
    _run("ceph-authtool", keys, "-n", "osd.0", "--add-key", key)
    _run("ceph-osd", *of, "-i", "0", "--mkfs", "--osd-uuid", osd)
    _run("ceph-osd", *of, "-i", "0")
    _run("radosgw", *of, "-n", "client.rgw")
    for key in (KEY, OTHER):
        user = ("user", "create", f"--uid={key}", f"--display-name={key}", f"--access-key={key}", f"--secret={SECRET}")
        _run("radosgw-admin", *of, "-n", "client.rgw", *user)
    wait_for((folder / "client.rgw.pid").exists)


def _run(program: str, *arguments: str, said: str = "") -> str:
    done = subprocess.run([program, *arguments], input=said, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, f"{program}: {done.stderr}"
    return done.stdout
