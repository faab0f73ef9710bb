"""Types of the extension module, built from crates/raskal-py. One block per Rust file, in its order."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, final

__version__: str

# Called about every 100 ms with the tasks done, the tasks in all, and (name, done, total) for each layer.
_Update = Callable[[int, int, Sequence[tuple[str, int, int]]], object]

# The built-in, for classes with a method of its name.
_List = list

# ---- annotate.rs

@final
class Asked:
    """What one `annotate` block asks of tasks."""

    def __new__(
        cls,
        all: dict[str, Any],
        priority: int = 0,
        retries: int = 0,
        workers: list[str] = ...,
        allow_other_workers: bool = False,
        resources: list[tuple[str, float]] = ...,
        by_key: bool = False,
    ) -> Asked: ...
    @property
    def all(self) -> dict[str, Any]: ...

def annotating(change: int) -> None:
    """Count `annotate` blocks as they are opened (1) and closed (-1)."""

# ---- bag.rs

@final
class TextLines:
    """Iterates over the lines of a file, or of the part of one between two places."""

    def __new__(
        cls,
        path: str,
        compression: str | None,
        start: int | None,
        end: int | None,
        newline: bytes | None,
        encoding: str,
        errors: str,
    ) -> TextLines: ...
    def __iter__(self) -> TextLines: ...
    def __next__(self) -> str: ...
    def split(self) -> TextSplit | None:
        """The lists of words of the lines, or None if they are not UTF-8."""

@final
class TextSplit:
    """Iterates over lists of the words of lines."""

    def __iter__(self) -> TextSplit: ...
    def __next__(self) -> list[str]: ...
    def flatten(self) -> TextWords:
        """The words, one after the other."""

@final
class TextWords:
    """Iterates over words."""

    def __iter__(self) -> TextWords: ...
    def __next__(self) -> str: ...
    def count(self) -> dict[str, int]:
        """How often each of the words that are left is there."""

# ---- board.rs

@final
class Board:
    """The board of a client's cluster: requests, and the mailbox of their answers."""

    def put(self, kind: str, cell: str, data: bytes, remotes: _List[Remote], how: str, capacity: int = 0) -> int: ...
    def take(self, kind: str, cell: str, max: int, wait: bool) -> int: ...
    def look(self, kind: str, cell: str, wait: bool) -> int: ...
    def count(self, kind: str, cell: str) -> int: ...
    def remove(self, kind: str, cell: str) -> int: ...
    def list(self, kind: str) -> int: ...
    def acquire(self, kind: str, names: _List[str], need: int, limit: int, wait: bool) -> int: ...
    def release(self, lease: int) -> int: ...
    def publish(self, topic: str, data: bytes, keep: bool) -> int: ...
    def listen(self, topic: str, listen: bool) -> int: ...
    def events(self, topic: str | None = None) -> int: ...
    def give_up(self, request: int) -> None: ...
    def call(self, worker: int, payload: bytes, pid: int | None = None) -> int: ...
    def set_up(self, name: str, payload: bytes | None = None) -> None: ...
    def borrow(self, graph: int, index: int, key: str) -> Remote: ...
    def mail(self, timeout: float) -> _List[tuple[Any, ...]] | None:
        """What came since the last call; None when nothing will come any more."""

# ---- content.rs

@final
class ContentHash:
    """A hash of 128 bits of buffers, one after the other."""

    def __init__(self) -> None: ...
    def update(self, object: Any) -> None: ...
    def hexdigest(self) -> str: ...

# ---- client.rs

@final
class Client:
    """A connection to a cluster."""

    def __new__(
        cls,
        address: str | None = None,
        scheduler_file: str | None = None,
        token: str | None = None,
        name: str | None = None,
        timeout: float = 10.0,
        tls_cert: str | None = None,
        tls_key: str | None = None,
        tls_ca_file: str | None = None,
        insecure: bool = False,
    ) -> Client: ...
    @property
    def address(self) -> str: ...
    @property
    def dashboard(self) -> str | None: ...
    @property
    def is_open(self) -> bool: ...
    def submit(self, builder: ProgramBuilder, wanted: list[int]) -> list[Remote]:
        """Submit a program, and return a handle for each wanted task."""

    def compute(self, builder: ProgramBuilder, wanted: list[int], update: _Update | None = None) -> list[Any]:
        """Submit a program, and return the values of the wanted tasks."""

    def persist(self, builder: ProgramBuilder, groups: list[list[int]]) -> list[RemotePersisted]:
        """Submit a program whose groups of tasks stay on the cluster."""

    def gather(self, remotes: list[Remote], timeout: float | None = None, skip: bool = False) -> list[Any]:
        """Return the values of results; the first failure is raised, or left out if `skip`."""

    def wait(self, remotes: list[Remote], first: bool = False, timeout: float | None = None) -> bool:
        """Wait until all results are settled, or one is if `first`; false if the time ran out."""

    def watch(self) -> Watcher:
        """Return what tells of results that are settled from now on."""

    def cancel(self, remotes: list[Remote], for_all: bool = False) -> None: ...
    def wait_for_workers(self, count: int, timeout: float | None = None) -> None: ...
    def workers(self) -> list[dict[str, Any]]: ...
    def info(self) -> dict[str, Any]: ...
    def view(self, address: str) -> str: ...
    def task_keys(self, tasks: list[tuple[int, int]]) -> list[str | None]: ...
    def who_has(self, remotes: list[Remote]) -> list[list[int]]: ...
    def has_what(self) -> list[tuple[int, list[tuple[str, int]]]]: ...
    def backlog(self) -> tuple[int, int]: ...
    def key_of(self, graph: int, index: int) -> str | None: ...
    def board(self) -> Board: ...
    def replicate(self, remotes: list[Remote], copies: int = 0, workers: list[str] = ...) -> None: ...
    def rebalance(self, remotes: list[Remote] = ..., workers: list[str] = ...) -> None: ...
    def retire(self, workers: list[str], close: bool = True) -> list[dict[str, Any]]: ...
    def restart(self) -> None: ...
    def close(self) -> None: ...

@final
class Remote:
    """One result on a cluster; it stays there for as long as this object lives."""

    @property
    def key(self) -> str: ...
    @property
    def id(self) -> tuple[int, int]: ...
    @property
    def status(self) -> str: ...
    @property
    def nbytes(self) -> int | None: ...
    def failure(self) -> tuple[BaseException, str] | None:
        """Return the exception of a task that failed, and its traceback as text."""

@final
class RemotePersisted:
    """The kept results of one collection on a cluster."""

    def __new__(cls, remotes: list[Remote]) -> RemotePersisted: ...
    def __len__(self) -> int: ...
    def remotes(self) -> list[Remote]: ...

@final
class Watcher:
    """Tells which results were settled."""

    def take(self, timeout: float | None = None) -> list[tuple[int, int]] | None:
        """Return those since the last call, waiting for at least one; None when there will be no more."""

# ---- executor.rs

_Running = tuple[int, int, int, int, str]

def run_executor(threads: int, returns: bool = False, slate: str | None = None) -> None:
    """Run the tasks that the node at the other end of the standard input sends."""

def executor_current() -> _Running | None:
    """Thread, graph, number in the graph, run and key of the task that runs on this thread."""

def executor_running() -> list[_Running]:
    """The same of all tasks that run in this process."""

def executor_tell_changes(tell: bool) -> None: ...
def executor_step_aside() -> bool: ...
def executor_step_back() -> bool: ...

# ---- export.rs

@final
class LayerFunction:
    """What the tasks of a layer share, for engines that are not ours."""

    @staticmethod
    def _decode(codec: str, shared: bytes, shape: list[int], native: bool) -> LayerFunction: ...

@final
class TaskCall:
    """One task, called with the values of its inputs."""

    def __new__(cls, layer: LayerFunction, index: int, payload: bytes, key: str, name: str) -> TaskCall: ...
    @property
    def key(self) -> str: ...
    @property
    def __name__(self) -> str: ...
    @property
    def native(self) -> bool: ...
    def __call__(self, *inputs: Any) -> Any: ...

def export(builder: ProgramBuilder, wanted: list[int]) -> list[tuple[int, TaskCall, list[int]]]:
    """The tasks that `wanted` needs, inputs first: number, what to call, the numbers of its inputs."""

# ---- node.rs

def run_node(
    *,
    executor_command: list[str],
    address: str | None = None,
    scheduler_file: str | None = None,
    token: str | None = None,
    name: str | None = None,
    host: str | None = None,
    executors: int = 1,
    threads: int = 1,
    native_threads: int | None = None,
    memory_limit: int = 0,
    resources: list[tuple[str, float]] = ...,
    ports: tuple[int, int] = ...,
    contact: str | None = None,
    nursery: int | None = None,
    lifetime: float | None = None,
    connect_timeout: float = 30.0,
    end_with_stdin: bool = False,
    tls_cert: str | None = None,
    tls_key: str | None = None,
    tls_ca_file: str | None = None,
    insecure: bool = False,
) -> None:
    """Run a node until its scheduler is gone or it is told to end."""

def machine_bytes() -> int:
    """Memory of the cgroup or machine, in bytes."""

# ---- delayed/ (operators are added by raskal/delayed.py)

@final
class Delayed:
    """A value that is not computed yet."""

    @staticmethod
    def _of(
        object: object, key: str | None = None, pure: bool | None = None, nout: int | None = None, traverse: bool = True
    ) -> Delayed: ...
    @staticmethod
    def _computed(object: object, key: str) -> Delayed: ...
    @staticmethod
    def _call(
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None = None,
        key: str | None = None,
        nout: int | None = None,
    ) -> Delayed: ...
    @staticmethod
    def _operate(function: Callable[..., Any], name: str, operands: tuple[Any, ...]) -> Delayed: ...
    @property
    def key(self) -> str: ...
    @property
    def _is_keyed(self) -> bool: ...
    @property
    def _nout(self) -> int | None: ...
    @property
    def _leaf(self) -> Any: ...
    @property
    def _is_leaf(self) -> bool: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Delayed: ...
    def __getitem__(self, index: Any) -> Delayed: ...
    def __getattr__(self, name: str) -> Any: ...
    def __bool__(self) -> bool: ...
    def __hash__(self) -> int: ...

def lower_delayed(
    builder: ProgramBuilder, objects: Sequence[Delayed], known: dict[str, Any] | None = None
) -> list[int]:
    """Add one layer with a task for each node that the objects need, and return the numbers of their tasks.

    Values that are `known`, by key, are not computed again.
    """

# ---- engine.rs

def compute_local(
    builder: ProgramBuilder,
    wanted: list[int],
    threads: int,
    update: _Update | None = None,
    recorder: Recorder | None = None,
    processes: list[str] | None = None,
) -> list[Any]:
    """Compute the wanted tasks on threads of this process (0: the calling one) and return their values, in order.

    `processes` is the command that starts an executor: each thread then has a process for the Python tasks.
    """

def persist_local(
    builder: ProgramBuilder,
    groups: list[list[int]],
    threads: int,
    update: _Update | None = None,
    recorder: Recorder | None = None,
    processes: list[str] | None = None,
) -> list[Persisted]:
    """Compute the tasks of each group and keep their values."""

def set_memory(limit_bytes: int, folder: str) -> None:
    """Set how many bytes the values of this process may take, and where those go that are too many."""

def machine_memory() -> int:
    """Memory of the cgroup or machine, in bytes."""

def memory_use() -> tuple[int, int, int]:
    """Bytes that values take; how many values went to disk so far, and their bytes."""

def stop_engines() -> None:
    """Stop all threads of this process's engines."""

# ---- program.rs

@final
class ProgramBuilder:
    """Collects the layers of a computation."""

    def __new__(cls, distributed: bool = False, brief: bool = False) -> ProgramBuilder: ...
    def add_gather(
        self,
        prefix: str,
        tasks: list[int],
        callable: Callable[..., Any],
        description: str,
        origin: str | None = None,
    ) -> int:
        """Add one task that calls `callable((), *values)` with the values of `tasks`, and return its number."""

    def add_calls(
        self,
        prefix: str,
        count: int,
        arguments: list[list[list[int]]],
        callable: Callable[..., Any],
        description: str,
        origin: str | None = None,
        eager: bool = False,
    ) -> list[int]:
        """Add `count` tasks; task `i` calls `callable((i,), *values)` with the values of each `arguments[k][i]`.

        `eager` ones run as soon as their inputs are there.
        """

    def remotes(self) -> list[Remote]:
        """The results of a cluster that the program begins at."""

    def add_persisted(self, prefix: str, handle: Any) -> list[int]:
        """Add a layer of values that exist already, or of the tasks that `handle` adds; returns its task numbers."""

    @property
    def distributed(self) -> bool:
        """Whether it is to run on a cluster."""

    def add_layer(
        self,
        prefix: str,
        shape: list[int],
        inputs: list[tuple[int, Any]],
        callable: Callable[..., Any],
        description: str,
        origin: str | None = None,
        settle: bool = True,
        inner: list[list[int]] | Literal["previous"] | None = None,
    ) -> int:
        """Add a layer of calls `callable(coordinates, *inputs)`, and return its number.

        Each of `inputs` is the number of an earlier layer and how the tasks depend on it: "one", "all",
        ("tree", group), ("axes", axes), ("stretches", [(own axis, ranges), ...]) or ("rows", lists). With `inner`, each
        task also needs others of the same layer.
        """

    def known_layer(self, prefix: str) -> int | None:
        """The number of the layer of this name, if there is one."""

    def layer_tasks(self, layer: int) -> list[int]:
        """The numbers of a layer's tasks."""

    def add_selection(self, prefix: str, tasks: list[int]) -> int:
        """Add a layer whose tasks have the values of other tasks, and return its number."""

    def add_objects(self, prefix: str, objects: list[Any]) -> int:
        """Add a layer of objects that exist already, and return its number."""

    def describe(self, wanted: list[int] | None = None) -> dict[str, Any]:
        """The graph so far, or what `wanted` needs: `nodes` (dicts of id, key, layer, function) and `edges`."""

    def graft(
        self,
        other: ProgramBuilder,
        wanted: list[int],
        token: str,
        after: int | None = None,
        kept: set[str] = ...,
    ) -> list[int]:
        """Add copies of what `wanted` of another program needs, under other names; returns the copies of `wanted`.

        The first of them wait for the task `after`; layers of the names `kept` that are here are not copied.
        """

    def add_after(self, prefix: str, tasks: list[int], after: int) -> list[int]:
        """Add tasks with the values of others, none before the task `after` is done; returns their numbers."""

    def explain(self, wanted: list[int]) -> str:
        """The layers that `wanted` needs, as text; the program can't be run afterwards."""

    def layer_names(self) -> list[str]:
        """The names of the layers so far."""

    def annotate(self, asked: Asked, layers: list[int] | None = None) -> None:
        """Ask something of these layers, or of all, as far as nothing was asked of them so far."""

    def __len__(self) -> int: ...

@final
class Persisted:
    """Values that an engine holds for persisted collections."""

    def __new__(cls, objects: list[Any]) -> Persisted: ...
    @property
    def nbytes(self) -> int:
        """Bytes of all values together."""

    def __len__(self) -> int: ...

# ---- record.rs

def flame_script() -> str: ...

@final
class Recorder:
    """Notes which task ran when, and where."""

    def __new__(
        cls,
        before: Callable[[int, int], object] | None = None,
        after: Callable[[int, int, Any], object] | None = None,
    ) -> Recorder: ...
    def take(self) -> list[tuple[int, int, float, float, int, bool]]:
        """Task, thread, begin and end (of `time.perf_counter`), bytes and whether it failed, since the last call."""

    def names(self, tasks: list[int]) -> list[tuple[str, str, str]]:
        """Key, layer and function of tasks."""

# ---- array/expr.rs

class NoKernel(TypeError):
    """No native kernel does this; NumPy may, on the block."""

@final
class ArrayExpr:
    """A lazy n-dimensional array."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]: ...
    @property
    def dtype(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def token(self) -> str: ...
    @staticmethod
    def full(value: Any, lengths: Any, dtype: str) -> ArrayExpr: ...
    @staticmethod
    def index(axis: int, lengths: Any) -> ArrayExpr: ...
    @staticmethod
    def blocks(
        name: str,
        prefix: str,
        objects: list[Any],
        lengths: Any,
        dtype: str,
        size_bytes: int,
        late: Callable[[], str] | None = None,
    ) -> ArrayExpr: ...
    @staticmethod
    def persisted(prefix: str, handle: Any, lengths: Any, dtype: str, size_bytes: int) -> ArrayExpr: ...
    @staticmethod
    def added(name: str, prefix: str, handle: Any, lengths: Any, dtype: str, size_bytes: int) -> ArrayExpr: ...
    @staticmethod
    def host(
        name: str,
        token: str,
        callable: Any,
        inputs: list[Any],
        lengths: Any,
        dtype: str,
        size_bytes: int,
        reason: str,
        transposable: bool = False,
        origin: str | None = None,
        late: Callable[[], str] | None = None,
    ) -> ArrayExpr: ...
    def unary(self, name: str) -> ArrayExpr: ...
    @staticmethod
    def binary(name: str, left: Any, right: Any) -> ArrayExpr: ...
    def select(self, yes: Any, no: Any) -> ArrayExpr: ...
    def cast(self, dtype: str) -> ArrayExpr: ...
    def transpose(self, axes: Any = None) -> ArrayExpr: ...
    def broadcast_to(self, shape: Any, lengths: Any = None) -> ArrayExpr: ...
    def get(self, indices: list[Any]) -> ArrayExpr: ...
    def take(self, axes: list[Any]) -> ArrayExpr: ...
    def rechunk(self, lengths: Any) -> ArrayExpr: ...
    def reshape(self, shape: Any) -> ArrayExpr: ...
    def reduce(
        self, kind: str, axes: Any = None, keepdims: bool = False, split_every: int | None = None, ddof: int = 0
    ) -> ArrayExpr: ...
    @staticmethod
    def concatenate(args: list[ArrayExpr], axis: int) -> ArrayExpr: ...
    @staticmethod
    def align(args: list[ArrayExpr], name: str) -> list[ArrayExpr]: ...
    @staticmethod
    def broadcast_chunks(args: list[ArrayExpr]) -> tuple[tuple[int, ...], ...]: ...
    def explain(self) -> str: ...
    def lower(self, builder: ProgramBuilder, block: int | None = None) -> list[int]: ...

def normalize_array_chunks(
    shape: Any, specs: list[Any], size_bytes: int, previous: Any = None
) -> tuple[tuple[int, ...], ...]:
    """Explicit chunks of what a user wrote."""

# ---- frame/

@final
class Frame:
    """A lazy dataframe; every method gives a new one."""

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
    @property
    def index_names(self) -> list[str | None]:
        """Names of the index levels."""
    @property
    def npartitions(self) -> int:
        """Number of partitions."""
    @property
    def divisions(self) -> Any:
        """Labels between which the partitions lie, a pyarrow array, if known."""
    @property
    def schema(self) -> Any:
        """The pyarrow schema of the rows: `__index_i__` first, then the columns."""
    @property
    def token(self) -> str:
        """Content hash."""
    @property
    def root(self) -> str:
        """Content hash of the table whose rows, or some of them, these are, partition by partition."""
    def select(self, names: list[str]) -> Frame: ...
    def rename(self, names: list[str]) -> Frame: ...
    def assign(self, name: str, value: Frame) -> Frame: ...
    def assign_scalar(self, name: str, value: Any) -> Frame: ...
    def filter(self, condition: Frame) -> Frame: ...
    def same_rows(self, other: Frame) -> bool: ...
    def binary(self, operation: str, other: Frame) -> Frame: ...
    def binary_scalar(self, operation: str, value: Any, reflected: bool) -> Frame: ...
    def binary_reduced(self, operation: str, value: Frame, reflected: bool) -> Frame: ...
    def unary(self, operation: str) -> Frame: ...
    def fillna(self, value: Any) -> Frame: ...
    def map_columns(
        self, callable: Any, description: str, token: str, arguments: list[Frame], result: Any, name: str
    ) -> Frame: ...
    def map_partitions(
        self,
        callable: Any,
        description: str,
        token: str,
        types: Any,
        index: list[str | None],
        keep_divisions: bool,
    ) -> Frame: ...
    def group_by(
        self, keys: list[Frame], aggregates: list[tuple[str, str, str]], sort: bool, dropna: bool
    ) -> Frame: ...
    def reduce(self, aggregates: list[tuple[str, str, str]]) -> Frame: ...
    def head(self, rows: int) -> Frame: ...
    def select_partitions(self, partitions: list[int]) -> Frame: ...
    def reset_index(self, drop: bool) -> Frame: ...
    def index_column(self) -> Frame: ...
    def set_index(self, names: list[str], drop: bool) -> Frame: ...
    @property
    def fits(self) -> bool:
        """Whether its rows are known to be few enough for one partition."""
    def join(
        self,
        right: Frame,
        left_on: list[Frame] | None,
        right_on: list[Frame] | None,
        how: str,
        columns: list[tuple[str, str, str]],
        labels: str,
        label_name: str | None,
    ) -> Frame: ...
    def joins_in_order(self, right: Frame, how: str) -> bool:
        """Whether a join of this kind keeps partitions, their order and divisions."""
    def sort(self, keys: list[tuple[str, bool]], missing_first: bool, limit: int | None) -> Frame: ...
    def distinct(self, by: list[str], last: bool) -> Frame: ...
    def top(self, keys: list[Frame], by: list[tuple[str, bool]], count: int) -> Frame: ...
    def call(self, function: str, arguments: list[Any], dtype: Any, name: str) -> Frame: ...
    def explain(self, analyze: bool = False) -> str: ...
    def lower(self, builder: ProgramBuilder) -> list[int]: ...

def frame_concat(frames: list[Frame]) -> Frame:
    """The rows of these frames, one frame after the other."""

def frame_sql(text: str, tables: list[tuple[str, Frame]]) -> Frame:
    """What an SQL query over named frames gives."""

def frame_read_csv(
    patterns: list[str],
    *,
    sep: str,
    quotechar: str,
    header: bool,
    names: list[str] | None,
    usecols: list[str] | None,
    dtypes: list[tuple[str, str]],
    dates: list[str],
    blocksize: int | None,
    missing: list[str] | None,
    sample: int,
) -> Frame:
    """CSV files as a frame."""

def frame_read_parquet(
    patterns: list[str],
    *,
    columns: list[str] | None = None,
    index: list[str] | None = None,
    keys: Any = None,
    pieces: list[list[tuple[int, int, int]]] | None = None,
    divisions: Any = None,
) -> tuple[Frame, str | None]:
    """Parquet files as a frame, and pandas' notes about them (JSON) if there are any."""

def frame_from_table(
    table: Any, bounds: list[int], index: list[str | None], token: str, divisions: Any = None
) -> Frame:
    """A pyarrow table as a frame, cut at row numbers."""

def frame_from_persisted(
    handle: Persisted, types: Any, index: list[str | None], token: str, divisions: Any = None
) -> Frame:
    """Persisted values as a frame, one partition each."""

def frame_from_tasks(
    owner: Any, partitions: int, types: Any, index: list[str | None], token: str, divisions: Any = None
) -> Frame:
    """A table whose partitions are made by tasks; `owner.lower(builder)` adds them and returns their numbers."""
