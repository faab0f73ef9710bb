"""Tables of a real PostgreSQL, which is started here where it is installed (Debian: ``apt-get install postgresql``)."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from compare import same

import raskal.dataframe as dd


def _program(name: str) -> str | None:
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(places[0]) if places else None)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a database on a server that listens on a socket in a folder of its own."""
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("pg8000")
    initdb, server = _program("initdb"), _program("postgres")
    if initdb is None or server is None:
        pytest.skip("PostgreSQL is not installed on this machine (Debian: apt-get install postgresql)")
    folder = tmp_path_factory.mktemp("pg")
    user, become = getpass.getuser(), {}
    if os.getuid() == 0:  # the server refuses to run as root; the package made a user for it
        user, become = "postgres", {"user": "postgres", "group": "postgres"}
        for one in (folder, *folder.parents):
            if str(one).startswith("/tmp/") and one != Path("/tmp"):
                one.chmod(0o755)
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "cwd": folder}
    subprocess.run([initdb, "-D", data, "-A", "trust", "-U", user, "--no-sync"], check=True, **quiet, **become)  # type: ignore[call-overload]
    options = ["-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
    process = subprocess.Popen([server, "-D", data, *options], **quiet, **become)  # type: ignore[call-overload]
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if b"ready to accept connections" in line:
                break
        else:
            raise RuntimeError("the server ended before it was ready")
        yield f"postgresql+pg8000://{user}@/postgres?unix_sock={folder}/.s.PGSQL.5432"
    finally:
        process.terminate()
        process.wait()


def rows(count: int = 100) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "number": np.arange(count),
            "text": rng.choice(["a", "Ünï", "it's", None], count),
            "x": rng.normal(size=count),
            "when": pd.date_range("2024-01-01", periods=count, freq="7h").astype("datetime64[us]"),
        }
    )
    return frame.set_index("number")


def test_tables_of_postgres_are_written_and_read(postgres: str) -> None:
    import sqlalchemy as sa

    frame = rows()
    dd.from_pandas(frame, npartitions=3).to_sql("rows", postgres)
    found = dd.read_sql_table("rows", postgres, index_col="number", npartitions=4)
    assert found.npartitions == 4
    same(found.compute(), frame, check_dtype=False)
    same(dd.read_sql_table("rows", postgres, "number", columns=["x"]).x.sum().compute(), frame.x.sum())
    by_time = dd.read_sql_table("rows", postgres, index_col="when", npartitions=3)
    same(by_time.x.compute(), frame.set_index("when").x)
    query = sa.select(sa.column("number"), sa.column("x")).select_from(sa.table("rows")).where(sa.column("x") > 0)
    same(dd.read_sql_query(query, postgres, "number", npartitions=3).compute(), frame[frame.x > 0][["x"]])


def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    sa = pytest.importorskip("sqlalchemy")
    pytest.importorskip("pg8000")
    with pytest.raises((sa.exc.SQLAlchemyError, OSError)):
        dd.read_sql_table("rows", f"postgresql+pg8000://u@/x?unix_sock={tmp_path}/none", index_col="number")
