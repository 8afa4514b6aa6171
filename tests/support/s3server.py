"""An S3 server on loopback, and an environment that leads every S3 client to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def bucket_server(bucket: str) -> Iterator[str]:
    """The URL of a server with one empty bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        try:
            make(url, bucket)
            yield url
        finally:
            server.stop()


def make(url: str, bucket: str) -> None:
    """Create a bucket as S3 wants it: one PUT."""
    from urllib.request import Request, urlopen

    sign = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
    with urlopen(Request(f"{url}/{bucket}", method="PUT", headers={"Authorization": sign})):
        pass
