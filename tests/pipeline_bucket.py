"""An S3 for a test, in this process, and the stories of pipelines that keep their state in it."""

from __future__ import annotations

import secrets
import time

import boto3
from moto.server import ThreadedMotoServer
from pipeline_story import Story

NAME = "millrace-state"


class Bucket:
    """One bucket behind a server on a port of its own; what it holds outlives the server."""

    def __init__(self, setenv):
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.server.start()
        _, self.port = self.server.get_host_and_port()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            setenv(name, value)
        self.client = boto3.client("s3")
        self.client.create_bucket(Bucket=NAME)

    def away(self, seconds):
        """Nobody answers on its port for so long."""
        self.server.stop()
        time.sleep(seconds)
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self.server.start()

    def close(self):
        self.client.close()
        self.server.stop()

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

    def stop(self, name, timeout_s=20.0):
        super().stop(name, timeout_s)
        self.mirror()
