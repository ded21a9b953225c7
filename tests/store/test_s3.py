# SPDX-License-Identifier: BSD-3-Clause
"""Large payloads in a folder and on a real S3 server, and what editing the bucket comes to."""

from __future__ import annotations

import datetime
import secrets

import numpy as np
import pytest

import safeserial as ss
from safeserial import errors
from tests.world import CALM, RING

NOW = datetime.timedelta(0)


class Bucket:
    """A place for payloads, with the means to spoil it."""

    def __init__(self, url: str, options: dict) -> None:
        from fsspec.core import url_to_fs

        self.url, self.options = url, options
        self.system, self.root = url_to_fs(url, **options)

    def found(self) -> list[str]:
        self.system.invalidate_cache()
        return [one for one in self.system.find(self.root) if not one.endswith("/")]

    def store(self, folder) -> ss.Store:
        return ss.Store(
            f"sqlite:///{folder / 'models.db'}",
            keyring=RING,
            policy=CALM,
            state=folder / "seen.db",
            blobs=self.url,
            blob_options=self.options,
            large=1 << 20,
        )


@pytest.fixture(params=["folder", "s3"])
def bucket(request, tmp_path):
    if request.param == "folder":
        return Bucket(f"file://{tmp_path / 'blobs'}", {})
    options = request.getfixturevalue("s3")
    return Bucket(f"s3://models/{secrets.token_hex(6)}", options)


def model(seed: int) -> dict:
    return {"data": np.random.default_rng(seed).random(1_500_000), "small": [1, 2, 3]}


def test_large_parts_lie_outside(bucket, tmp_path):
    with bucket.store(tmp_path) as store:
        store.publish("m", model(1), alias="production")
        assert len(bucket.found()) == 1
        store.publish("m", model(1))  # the same payload: stored once
        assert len(bucket.found()) == 1
        store.publish("m", model(2))
        assert len(bucket.found()) == 2
        np.testing.assert_array_equal(store.load("m@production")["data"], model(1)["data"])
        with store.open("m") as stream:
            loaded = ss.loads(stream.read(), keyring=RING, policy=CALM)
        np.testing.assert_array_equal(loaded["data"], model(2)["data"])
        assert store.verify_all().ok
        store.delete("m:3")
        assert store.gc(grace=NOW).size >= 12_000_000
        assert len(bucket.found()) == 1
    # The place is known to the store: only how to reach it is the client's own.
    with ss.Store(
        f"sqlite:///{tmp_path / 'models.db'}",
        keyring=RING,
        policy=CALM,
        state=tmp_path / "seen.db",
        blob_options=bucket.options,
    ) as store:
        assert store.load("m")["small"] == [1, 2, 3]


def test_uploads_that_were_broken_off_are_reclaimed(bucket, tmp_path):
    class StopError(Exception):
        pass

    def stop(done, total):
        if done > total // 2:
            raise StopError

    with bucket.store(tmp_path) as store:
        with pytest.raises(StopError):
            store.publish("m", model(1), progress=stop)
        assert bucket.found() == []
        bucket.system.makedirs(f"{bucket.root}/ab", exist_ok=True)
        bucket.system.pipe(f"{bucket.root}/ab/{'0' * 30}", b"left by a killed writer")
        bucket.system.pipe(f"{bucket.root}/ab/notes.txt", b"somebody else's")
        assert store.gc().objects == 0
        assert store.gc(grace=NOW, dry_run=True).objects == 1
        assert store.gc(grace=NOW).objects == 1
        assert [one.rsplit("/", 1)[1] for one in bucket.found()] == ["notes.txt"]


def test_an_edited_bucket_is_found_out(bucket, tmp_path):
    with bucket.store(tmp_path) as store:
        store.publish("m", model(1))
        store.publish("m", model(2))
        keys = bucket.found()
        first, second = (bucket.system.cat(key) for key in keys)
        flipped = bytearray(first)
        flipped[len(flipped) // 2] ^= 1
        for data in (bytes(flipped), first[:-1], first + b"x", b"", second):
            bucket.system.pipe(keys[0], data)
            spoilt = 0
            for version in (1, 2):
                try:
                    found = store.load(f"m:{version}")
                except errors.SafeSerialError:
                    spoilt += 1
                else:
                    np.testing.assert_array_equal(found["data"], model(version)["data"])
            assert spoilt == (0 if data == first + b"x" else 1)  # what is not read is not believed
            assert store.verify_all().ok == (spoilt == 0)
        bucket.system.rm(keys[0])
        with pytest.raises(errors.SafeSerialError):
            for version in (1, 2):
                store.load(f"m:{version}")


def test_a_bucket_that_cannot_be_reached(tmp_path):
    bucket = "s3://models/x"
    options = {
        "key": "a",
        "secret": "very-secret",
        "client_kwargs": {"endpoint_url": "http://127.0.0.1:9"},
        "config_kwargs": {"retries": {"max_attempts": 1}, "connect_timeout": 2},
    }
    with ss.Store(
        f"sqlite:///{tmp_path / 'models.db'}",
        keyring=RING,
        policy=CALM,
        state=tmp_path / "seen.db",
        blobs=bucket,
        blob_options=options,
        large=1 << 20,
    ) as store:
        with pytest.raises(errors.StoreError) as caught:
            store.publish("m", model(1))
        assert "very-secret" not in str(caught.value)
        assert store.publish("m", {"small": 1}).version == 1
