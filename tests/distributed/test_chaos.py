"""Some tens of random schedules of kills; more of them by ``python tests/distributed/chaos.py``."""

from __future__ import annotations

import chaos

from raskal.distributed import Client


def test_kills_and_hangs_change_no_result_and_leave_nothing_waiting(tmp_path):
    cluster, report = chaos.Cluster(tmp_path), chaos.Report()
    try:
        with Client(scheduler_file=cluster.file, timeout=60) as client:
            client.wait_for_workers(chaos.WORKERS, timeout=60)
            for seed in range(12):
                chaos.play(cluster, client, seed, report)
    finally:
        cluster.end()
    assert report.schedules == 12
    assert report.compared > 100
    assert len(report.happened) == len(chaos.KINDS)
