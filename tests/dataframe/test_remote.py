"""Files that are not on this machine: a real S3 server and a real web server, both started here."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from compare import same

import raskal.dataframe as dd


def rows(count: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    return pd.DataFrame(
        {"x": np.arange(count), "y": rng.normal(size=count).round(3), "k": rng.choice(["a", "b"], count)}
    )


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, Any]]:
    """What fsspec needs to reach a server with a bucket."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    pytest.importorskip("s3fs")
    server.start()
    host, port = server.get_host_and_port()
    options = {"endpoint_url": f"http://{host}:{port}"}
    client = boto3.client("s3", **options, aws_access_key_id="k", aws_secret_access_key="s", region_name="us-east-1")
    client.create_bucket(Bucket="bucket")
    try:
        yield {"key": "k", "secret": "s", "client_kwargs": {**options, "region_name": "us-east-1"}}
    finally:
        server.stop()


def test_parquet_is_written_to_s3_and_read_back(s3: dict[str, Any]) -> None:
    frame = rows()
    df = dd.from_pandas(frame, npartitions=3)
    df.to_parquet("s3://bucket/t", storage_options=s3)
    found = dd.read_parquet("s3://bucket/t", storage_options=s3)
    assert found.npartitions == 3
    same(found.compute(), frame)
    known = dd.read_parquet("s3://bucket/t", storage_options=s3, calculate_divisions=True)
    assert known.divisions == df.divisions
    assert found.x.sum().compute() == frame.x.sum()
    filtered = dd.read_parquet("s3://bucket/t", storage_options=s3, columns=["y"], filters=[("x", ">", 30)])
    same(filtered.compute(), frame[frame.x > 30][["y"]])
    df.to_parquet("s3://bucket/k", storage_options=s3, partition_on="k")
    keyed = dd.read_parquet("s3://bucket/k", storage_options=s3, filters=[("k", "==", "a")])
    assert sorted(keyed.x.compute()) == frame[frame.k == "a"].x.tolist()
    df.partitions[0].to_parquet("s3://bucket/t", storage_options=s3, overwrite=True)
    same(dd.read_parquet("s3://bucket/t", storage_options=s3).compute(), frame[:13])


def test_text_is_written_to_s3_and_read_back(s3: dict[str, Any]) -> None:
    frame = rows()
    df = dd.from_pandas(frame, npartitions=2)
    names = df.to_csv("s3://bucket/c/*.csv", index=False, storage_options=s3)
    assert names == ["s3://bucket/c/0.csv", "s3://bucket/c/1.csv"]
    same(dd.read_csv("s3://bucket/c/*.csv", storage_options=s3).compute(), frame, index=False)
    df.to_json("s3://bucket/j/*.json", storage_options=s3)
    same(dd.read_json("s3://bucket/j/*.json", storage_options=s3).compute(), frame, index=False)


def test_a_dataset_on_s3_that_is_half_written_is_refused(s3: dict[str, Any]) -> None:
    frame = rows()

    def fail(part: pd.DataFrame, partition_info: dict[str, int] | None = None) -> pd.DataFrame:
        if partition_info is not None and partition_info["number"] == 1:
            raise RuntimeError("no more")
        return part

    broken = dd.from_pandas(frame, npartitions=2).map_partitions(fail, meta=frame.iloc[:0])
    with pytest.raises(RuntimeError, match="no more"):
        broken.to_parquet("s3://bucket/half", storage_options=s3)
    with pytest.raises(OSError, match="half-written|no file"):
        dd.read_parquet("s3://bucket/half", storage_options=s3)


def test_what_s3_refuses_or_lacks_is_an_error_of_the_system(s3: dict[str, Any]) -> None:
    with pytest.raises(FileNotFoundError):
        dd.read_parquet("s3://no-such-bucket/x.parquet", storage_options=s3)
    with pytest.raises(OSError, match="bucket/none"):
        dd.read_csv("s3://bucket/none/*.csv", storage_options=s3)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_files_are_read_from_a_web_server(web: tuple[Path, str]) -> None:
    pytest.importorskip("aiohttp")
    folder, address = web
    frame = rows()
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet", index=False)
    same(dd.read_csv(f"{address}/t.csv").compute(), frame)
    same(dd.read_parquet(f"{address}/t.parquet").compute(), frame)
    with pytest.raises(FileNotFoundError):
        dd.read_csv(f"{address}/gone.csv")
