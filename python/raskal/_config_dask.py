"""Settings of Dask that change nothing here, with what to use in their place.

Start at `advice`. Who brings settings along is told once about each of these, where it is given; settings that raskal
reads are in ``raskal.yaml`` and never here.
"""

from __future__ import annotations

_WORKER_MEMORY = (
    "a worker puts values on disk from 60 % of its memory limit on, takes no new roots from 80 % and ends its largest "
    "process at 95 %; set the limit itself, by memory_limit= or raskal worker --memory-limit"
)
_PLANNED = "plans are always optimised; explain() shows what becomes of them"
_OWN_WIRE = "raskal has a protocol of its own, which is not tuned by settings"
_ENVIRONMENT = "set variables in the environment of the process that starts the workers, which they inherit"
_OPTION = "use the option {} of raskal {}, or of LocalCluster where it has it"
_LOGGING = "raskal logs through RASKAL_LOG, such as RASKAL_LOG=info,raskal_scheduler=debug"
_LIMITS_OF_PAGES = "the dashboard keeps what fits a fixed amount of memory"
_GPU = "raskal does not watch graphics cards"
_P2P = "exchanges write partition by partition within the memory limit, without settings of their own"
_TABLES = "the query engine chooses; explain() shows what it chose"

# By name, or by the name of a group; the longest that fits counts.
_ADVICE: dict[str, str] = {
    "admin.async-client-fallback": "open a raskal.distributed.Client where tasks are to run on a cluster",
    "admin.traceback.shorten": "tracebacks show the lines of the task and of its user",
    "array.backend": "blocks are of whatever kind the source gives; use like= or map_blocks to make others",
    "array.chunk-size-tolerance": 'chunks="auto" stays at or below array.chunk-size',
    "array.query-planning": _PLANNED,
    "array.rechunk": "rechunk chooses its way by the memory that it needs; explain() shows it",
    "array.slicing": "an index that would make blocks larger than array.chunk-size has to be followed by rechunk",
    "array.svg": "pictures of arrays have one size",
    "dataframe.backend": "partitions are pandas' or Arrow's; use map_partitions to make others",
    "dataframe.convert-string": "text keeps the type that pandas or the file gives it; use astype to change it",
    "dataframe.parquet": _TABLES,
    "dataframe.query-planning": _PLANNED,
    "dataframe.shuffle": _TABLES,
    "distributed.adaptive": "use the arguments of cluster.adapt()",
    "distributed.admin": _LOGGING,
    "distributed.client": "use the arguments of raskal.distributed.Client",
    "distributed.comm": _OWN_WIRE,
    "distributed.comm.retry": "broken connections are made again until the time-out of what waits for them",
    "distributed.dashboard": "the dashboard is one page without settings but distributed.dashboard.link",
    "distributed.deploy": "use the arguments of the cluster's class",
    "distributed.diagnostics": _LIMITS_OF_PAGES,
    "distributed.diagnostics.cudf": _GPU,
    "distributed.diagnostics.nvml": _GPU,
    "distributed.nanny": _ENVIRONMENT,
    "distributed.nanny.preload": _OPTION.format("--preload", "worker"),
    "distributed.nanny.preload-argv": "give what is preloaded its arguments behind -- of raskal worker",
    "distributed.p2p": _P2P,
    "distributed.rmm": _GPU,
    "distributed.scheduler": "the scheduler places, leases and steals without settings",
    "distributed.scheduler.active-memory-manager": "copies that nobody needs are forgotten by themselves",
    "distributed.scheduler.allowed-failures": "a task is given up when three workers died under it",
    "distributed.scheduler.contact-address": _OPTION.format("--host", "scheduler"),
    "distributed.scheduler.dashboard": _LIMITS_OF_PAGES,
    "distributed.scheduler.idle-timeout": _OPTION.format("--idle-timeout", "scheduler"),
    "distributed.scheduler.preload": "the scheduler runs no Python; use client.run or a plug-in on the workers",
    "distributed.scheduler.worker-ttl": _OPTION.format("--worker-timeout", "scheduler"),
    "distributed.version": "raskal.__version__ is the version",
    "distributed.worker": "workers have no such setting; raskal worker --help lists their options",
    "distributed.worker.lifetime": _OPTION.format("--lifetime", "worker"),
    "distributed.worker.memory": _WORKER_MEMORY,
    "distributed.worker.preload": _OPTION.format("--preload", "worker"),
    "distributed.worker.preload-argv": "give what is preloaded its arguments behind -- of raskal worker",
    "distributed.worker.profile.low-level": "samples are of Python's own frames",
    "distributed.worker.resources": _OPTION.format("--resources", "worker"),
    "multiprocessing.context": "processes are always started anew (spawn)",
    "multiprocessing.initializer": "use compute(initializer=...), with scheduler='processes'",
    "optimization.annotations": "layers are joined where what is asked of them is equal",
    "optimization.fuse.delayed": "raskal.optimization.fuse joins delayed calls on request",
    "optimization.fuse.max-depth-new-edges": "optimization.fuse.ave-width and max-height bound what is joined",
    "optimization.fuse.max-width": "optimization.fuse.ave-width and max-height bound what is joined",
    "optimization.tune": _PLANNED,
    "visualization.engine": "pictures need no engine",
}

# Groups above that hold settings which raskal reads.
_READ = (
    "distributed.admin.large-graph-warning-threshold",
    "distributed.comm.timeouts.connect",
    "distributed.comm.tls",
    "distributed.dashboard.link",
    "distributed.worker.profile.cycle",
    "distributed.worker.profile.enabled",
    "distributed.worker.profile.interval",
)


def advice(key: str) -> str | None:
    """What to do in place of a setting of Dask that changes nothing here; None for all other names.

    Examples
    --------
    >>> advice("distributed.scheduler.allowed-failures")
    'a task is given up when three workers died under it'
    >>> advice("array.chunk-size") is None
    True
    """
    names = key.replace("_", "-").split(".")
    above = [".".join(names[:length]) for length in range(len(names), 0, -1)]
    if any(name in _READ for name in above):
        return None
    return next((_ADVICE[name] for name in above if name in _ADVICE), None)
