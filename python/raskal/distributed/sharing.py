"""What a client shares with others by name: published datasets, metadata, events and topics.

Start at `SharingMethods`, a part of `Client`. All of it is on the scheduler's board
(``crates/raskal-server/src/board.rs``).
"""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

from raskal._raskal import Board
from raskal.distributed import _notes
from raskal.distributed._sync import either

if TYPE_CHECKING:
    from raskal.distributed._desk import Desk

__all__ = ["Datasets", "SharingMethods"]

_NO_DEFAULT: Any = object()


def _path(keys: Any) -> list[str]:
    return [str(key) for key in (keys if isinstance(keys, (list, tuple)) else [keys])]


class SharingMethods:
    """Datasets, metadata and events of a `Client`."""

    _desk: Desk

    # ---- datasets

    @either
    def publish_dataset(self, *args: Any, name: str | None = None, override: bool = False, **kwargs: Any) -> Any:
        """Give something a name, under which every client of the cluster finds it.

        Parameters
        ----------
        *args : object
            One thing, with `name`.
        name : str, optional
            Its name.
        override : bool
            Whether it takes the place of what has this name.
        **kwargs
            Things by their names.

        Raises
        ------
        KeyError
            If a name is taken and `override` is false.

        Notes
        -----
        Futures and persisted collections in it stay on the cluster until it is unpublished, whoever is gone.
        """
        if len(args) > 1 or (args and name is None) or (not args and name is not None):
            raise ValueError("pass one object together with name=..., or objects as keywords")
        how = "replace" if override else "new"
        for key, value in ({name: args[0]} if args else kwargs).items():
            data, remotes = _notes.pack(value)
            answer, why = self._desk.ask(partial(_put, str(key), data, remotes, how))
            if answer == "refused":
                raise KeyError(f"{why}\nhint: unpublish it, or pass override=True")

    @either
    def get_dataset(self, name: str, default: Any = _NO_DEFAULT, **kwargs: Any) -> Any:
        """What was published under a name.

        Parameters
        ----------
        name : str
            The name.
        default : object, optional
            What to return when there is nothing.

        Raises
        ------
        KeyError
            If there is nothing, and no default.
        """
        answer, notes = self._desk.ask(lambda board: board.look("dataset", str(name), False))
        if answer == "notes":
            _, _, data, remotes = notes[-1]
            return _notes.unpack(data, remotes, self)  # type: ignore[arg-type]
        if default is not _NO_DEFAULT:
            return default
        raise KeyError(f"no dataset {name!r} was published\nhint: there are {self._names('dataset')}")

    @either
    def list_datasets(self, **kwargs: Any) -> Any:
        """The names of what was published, as a tuple."""
        return tuple(self._names("dataset"))

    @either
    def unpublish_dataset(self, name: str, **kwargs: Any) -> Any:
        """Take a name away; what had it is let go.

        Raises
        ------
        KeyError
            If there is nothing of this name.
        """
        if self._desk.ask(lambda board: board.remove("dataset", str(name)))[0] == "absent":
            raise KeyError(f"no dataset {name!r} was published")

    @property
    def datasets(self) -> Datasets:
        """What was published, as a mapping."""
        return Datasets(self)

    def _names(self, kind: str) -> list[str]:
        _, notes = self._desk.ask(lambda board: board.list(kind))
        return list(dict.fromkeys(note[0] for note in notes))

    # ---- metadata

    @either
    def set_metadata(self, key: Any, value: Any) -> Any:
        """Leave a value at the scheduler for others.

        Parameters
        ----------
        key : str or list
            Its name, or the path to it through dictionaries.
        value : object
            Anything that can be pickled.
        """
        data, remotes = _notes.pack(value)
        if remotes:
            raise TypeError("futures can't be metadata\nhint: use publish_dataset or a Variable")
        self._desk.ask(lambda board: board.put("metadata", json.dumps(_path(key)), data, [], "replace"))

    @either
    def get_metadata(self, keys: Any, default: Any = _NO_DEFAULT) -> Any:
        """What was left by `set_metadata`.

        Parameters
        ----------
        keys : str or list
            Its name or path; an empty list for all.
        default : object, optional
            What to return when there is nothing.

        Raises
        ------
        KeyError
            If there is nothing, and no default.
        """
        found: Any = {}
        _, notes = self._desk.ask(lambda board: board.list("metadata"))
        for name, _, data, _ in sorted(notes, key=lambda note: note[1]):
            *path, last = json.loads(name)
            place = found
            for key in path:
                if not isinstance(place.get(key), dict):
                    place[key] = {}
                place = place[key]
            place[last] = pickle.loads(data)
        for key in _path(keys):
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif default is not _NO_DEFAULT:
                return default
            else:
                raise KeyError(keys)
        return found

    # ---- events

    @either
    def log_event(self, topic: str | list[str] | tuple[str, ...], msg: Any) -> Any:
        """Tell all who listen to a topic; the scheduler keeps the last ones.

        Parameters
        ----------
        topic : str or list of str
            Which topics.
        msg : object
            Anything that can be pickled.
        """
        data, remotes = _notes.pack(msg)
        if remotes:
            raise TypeError("futures can't be events\nhint: use a Queue")
        for name in [topic] if isinstance(topic, str) else topic:
            self._desk.ask(partial(_publish, name, data))

    @either
    def get_events(self, topic: str | None = None) -> Any:
        """The events of a topic that the scheduler kept.

        Parameters
        ----------
        topic : str, optional
            Which; by default all, in a dictionary.

        Returns
        -------
        tuple of (float, object), or dict of them
            Time in seconds since the epoch, and what was told.
        """
        if topic is None:
            _, topics = self._desk.ask(lambda board: board.events(None))
            return {name: self._events(name) for name in topics}
        return self._events(topic)

    def _events(self, topic: str) -> tuple[tuple[float, Any], ...]:
        _, events = self._desk.ask(lambda board: board.events(topic))
        return tuple((time, pickle.loads(data)) for time, data in events)

    @either
    def subscribe_topic(self, topic: str, handler: Callable[[tuple[float, Any]], Any]) -> Any:
        """Call a function with each event of a topic from now on.

        Parameters
        ----------
        topic : str
            Which.
        handler : callable
            Takes ``(time, message)``, in a thread of this client's; may be a coroutine function if the client is
            asynchronous. What it raises is logged.
        """
        loop = self.loop  # type: ignore[attr-defined]

        def hear(time: float, data: bytes) -> None:
            result = handler((time, pickle.loads(data)))
            if asyncio.iscoroutine(result):
                if loop is None:
                    asyncio.run(result)
                else:
                    asyncio.run_coroutine_threadsafe(result, loop)

        asked = self._desk.listen(topic, hear)
        if asked is not None:
            asked.result()

    @either
    def unsubscribe_topic(self, topic: str) -> Any:
        """Call nothing any more with the events of a topic.

        Raises
        ------
        ValueError
            If nothing is subscribed to it.
        """
        if not self._desk.listen_no_more(topic):
            raise ValueError(f"nothing of this client is subscribed to the topic {topic!r}")


def _put(name: str, data: bytes, remotes: list[Any], how: str, board: Board) -> int:
    return board.put("dataset", name, data, remotes, how)


def _publish(topic: str, data: bytes, board: Board) -> int:
    return board.publish(topic, data, True)


class Datasets(MutableMapping[str, Any]):
    """Published datasets as a mapping: ``client.datasets``."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getitem__(self, name: str) -> Any:
        return self._client.get_dataset(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._not_async()
        self._client.publish_dataset(value, name=name)

    def __delitem__(self, name: str) -> None:
        self._not_async()
        self._client.unpublish_dataset(name)

    def __contains__(self, name: object) -> bool:
        self._not_async()
        return name in self._client.list_datasets()

    def __iter__(self) -> Iterator[str]:
        self._not_async()
        return iter(self._client.list_datasets())

    async def __aiter__(self) -> AsyncIterator[str]:
        for name in await self._client.list_datasets():
            yield name

    def __len__(self) -> int:
        self._not_async()
        return len(self._client.list_datasets())

    def _not_async(self) -> None:
        if self._client.asynchronous:
            raise TypeError(
                "this needs an answer, which an asynchronous client can't wait for here\n"
                "hint: await client.list_datasets(), publish_dataset or unpublish_dataset"
            )
