"""An object store does what its users rely on, on a real server."""

import os
from pathlib import Path

import pytest
from s3 import KEY, S3, SECRET, needs_s3

from retrain.records.errors import Refused
from retrain.store.backends import objects
from retrain.store.backends.objects import ObjectStore, StoreFailed

pytestmark = [needs_s3, pytest.mark.xdist_group("postgresql")]


@pytest.fixture
def store(s3: S3) -> ObjectStore:
    """An empty prefix of an empty bucket."""
    return s3.store(f"{s3.bucket()}/a/prefix")


def test_files_come_back_as_they_were_put(store: ObjectStore, tmp_path: Path) -> None:
    """Empty, small and of several parts; names that begin alike, spaces and dots are kept apart, a folder lists what is
    below it, another content replaces the first, and deleting what is not there is no error."""
    contents = {
        "v/m/one.bin": b"", "v/m/two words.json": b"{}", "v/m1/one.bin": os.urandom(100),
        "v/large": os.urandom(2 * objects.PART + 17), "forget.key": b"k",
    }  # fmt: skip
    for number, (name, content) in enumerate(contents.items()):
        (file := tmp_path / str(number)).write_bytes(content)
        store.put(name, file)
    assert {name: one.size for name, one in store.names().items()} == {n: len(c) for n, c in contents.items()}
    assert set(store.names("v/m/")) == {"v/m/one.bin", "v/m/two words.json"} == set(store.names("v/m"))
    for name, content in contents.items():
        store.get(name, tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == content
    (tmp_path / "0").write_bytes(b"newer")
    store.put("v/m/one.bin", tmp_path / "0")
    assert store.read("v/m/one.bin") == b"newer" and store.look() == 2
    store.delete(["v/m/one.bin", "v/m/nothing"])
    assert "v/m/one.bin" not in store.names()
    with pytest.raises(FileNotFoundError):
        store.get("v/m/one.bin", tmp_path / "got")
    with pytest.raises(FileNotFoundError):
        store.put("v/m/one.bin", tmp_path / "none")


def test_what_does_not_work_is_told_in_a_line_without_a_secret(s3: S3, tmp_path: Path) -> None:
    """A wrong secret and a missing bucket do not mend themselves; a server that is not there may."""
    (file := tmp_path / "file").write_bytes(b"x")
    wrong = ObjectStore(s3.bucket(), {**s3.options, "AWS_SECRET_ACCESS_KEY": "wrong-secret"})
    missing = s3.store("s3://no-such-bucket/a")
    away = ObjectStore("s3://bucket", {**s3.options, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    for store, why, hopeless in (
        (wrong, "SignatureDoesNotMatch", True),
        (missing, "NoSuchBucket", True),
        (away, "", 0),
    ):
        for call in (
            store.names,
            store.look,
            lambda store=store: store.put("a", file),
            lambda store=store: store.read("a"),
        ):
            with pytest.raises(StoreFailed) as failed:
                call()
            assert failed.value.message.startswith(store.place) and why in failed.value.message
            assert failed.value.hopeless == bool(hopeless) and "\n" not in failed.value.message
            assert not any(word in failed.value.message for word in (SECRET, "wrong-secret", KEY))
    for uri in ("/mnt/a", "gs://bucket/a", "s3://", "s3://user:word@bucket/a"):
        with pytest.raises(Refused, match="expected s3://BUCKET"):
            ObjectStore(uri, s3.options)


def test_credentials_that_are_replaced_are_used_at_once(s3: S3, tmp_path: Path) -> None:
    """Where the server refuses, what says how it is reached is asked again, and the call made once more, whichever it
    is; without another answer it is refused as before."""
    (file := tmp_path / "file").write_bytes(b"x" * 100)
    bucket, good, bad = s3.bucket(), dict(s3.options), {**s3.options, "AWS_SECRET_ACCESS_KEY": "expired"}
    now = [bad]
    for call, expected in (
        (lambda store: store.put("a/b", file), None),
        (lambda store: store.read("a/b"), b"x" * 100),
        (lambda store: set(store.names("a/")), {"a/b"}),
        (lambda store: store.delete(["a/b"]), None),
    ):
        store = ObjectStore(bucket, bad, lambda: now[0])
        now[0] = bad
        with pytest.raises(StoreFailed, match="SignatureDoesNotMatch"):
            call(store)
        now[0] = good
        assert call(store) == expected
