"""An S3 for a test, and the stories of pipelines that keep their state in it."""

from __future__ import annotations

import secrets
import subprocess
import sys
from contextlib import contextmanager

import boto3
import pipeline_s3
import pytest
from pipeline_process import STOPPED_S
from pipeline_story import Story

from streams.kafka.ports import free_port

NAME = "millrace-state"


class Bucket:
    """One bucket behind a server on a port of its own; what it holds outlives the server.

    One for all of a process's tests: s3fs remembers for good which server it has found a bucket at.
    """

    def __init__(self):
        self.port = free_port()  # one that no client is given while the server is away
        command = [sys.executable, pipeline_s3.__file__, str(self.port)]
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout.readline() == "up\n"
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            self.client = boto3.client("s3")
        self.client.create_bucket(Bucket=NAME)

    @contextmanager
    def away(self):
        """Nobody answers on its port meanwhile."""
        self._tell("away")
        yield
        self._tell("back")

    def _tell(self, word):
        self.server.stdin.write(f"{word}\n")
        self.server.stdin.flush()
        assert self.server.stdout.readline() == f"{word}\n"

    def close(self):
        self.client.close()
        self.server.kill()
        self.server.communicate()

    def keys(self, prefix):
        """All below it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=NAME, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def read(self, key):
        """None if it is gone by now."""
        try:
            return self.client.get_object(Bucket=NAME, Key=key)["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return None

    def write(self, key, blob):
        self.client.put_object(Bucket=NAME, Key=key, Body=blob)


class BucketStory(Story):
    """As any other; its checkpoints are copied to where the kit of the folders looks for them."""

    def __init__(self, bucket, folder, broker, name, **settings):
        self.bucket, self.prefix = bucket, f"{name}/"
        super().__init__(folder, broker, name, state={"store": f"s3://{NAME}/{name}"}, **settings)
        self.pipeline.state.mkdir(parents=True)
        key = self.pipeline.state.parent / "state.key"
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(32))

    def mirror(self):
        """The bucket as it is now."""
        there = {}
        for key in self.bucket.keys(f"{self.prefix}checkpoints/"):
            if (blob := self.bucket.read(key)) is not None:
                there[self.pipeline.state / key.removeprefix(self.prefix)] = blob
        for path in self.pipeline.state.glob("checkpoints/*/*"):
            if path not in there:
                path.unlink()
        for path, blob in there.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(blob)

    def newest(self, name):
        """Key of its newest checkpoint."""
        return max(key for key in self.bucket.keys(f"{self.prefix}checkpoints/{name}/") if key.endswith(".ckpt"))

    def lag(self):
        self.mirror()
        return super().lag()

    def stop(self, name, timeout_s=STOPPED_S):
        super().stop(name, timeout_s)
        self.mirror()
