"""Requests that are answered later: the board of the scheduler, and calls into executor processes.

Start at `Desk.ask`. A client has one desk; one thread empties its mailbox, completes what was asked, and passes on what
topics tell. What waits here waits for that thread alone, so that many requests can be under way, from threads and from
event loops alike.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any

from raskal._raskal import Board

__all__ = ["Desk", "Gone"]

logger = logging.getLogger("raskal.distributed")

Post = Callable[[Board], int]
Answer = tuple[str, Any]
Handler = Callable[[float, bytes], None]


class Gone(OSError):
    """The connection to the scheduler has ended."""


class Desk:
    """What a client has asked and not been answered.

    Parameters
    ----------
    client : raskal._raskal.Client
        The connection.
    """

    def __init__(self, client: Any) -> None:
        self.board: Board = client.board()
        self._lock = threading.Lock()
        self._open: dict[int, concurrent.futures.Future[Answer]] = {}
        self._handlers: dict[str, list[Handler]] = {}
        self._ended = False
        name = "raskal-mail"
        threading.Thread(target=_empty, args=(weakref.ref(self), self.board), name=name, daemon=True).start()

    # ---- asking

    def post(self, post: Post) -> tuple[int, concurrent.futures.Future[Answer]]:
        """Send a request; its number, and the future of its answer."""
        answer: concurrent.futures.Future[Answer] = concurrent.futures.Future()
        with self._lock:
            if self._ended:
                raise Gone("the connection to the scheduler has ended\nhint: make a new client")
            request = post(self.board)
            self._open[request] = answer
        return request, answer

    def ask(self, post: Post, timeout: float | None = None) -> Answer:
        """Send a request and wait for its answer: a word, and what belongs to it.

        Parameters
        ----------
        post : callable
            Takes the board, sends the request, and returns its number.
        timeout : float, optional
            Seconds to wait at most; the answer is ``gave up`` then.

        Returns
        -------
        str, object
        """
        request, answer = self.post(post)
        try:
            return answer.result(timeout)
        except (TimeoutError, KeyboardInterrupt) as error:
            self.board.give_up(request)
            if isinstance(error, KeyboardInterrupt):
                raise
            # It may have been answered just now; the board says which.
            return answer.result()

    async def ask_later(self, post: Post, timeout: float | None = None) -> Answer:
        """The same on an event loop."""
        request, answer = self.post(post)
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(answer)), timeout)
        except asyncio.CancelledError:
            self.board.give_up(request)
            raise
        except TimeoutError:
            self.board.give_up(request)
            return await asyncio.wrap_future(answer)

    # ---- topics

    def listen(self, topic: str, handler: Handler) -> concurrent.futures.Future[Answer] | None:
        """Have a topic's notes handed to `handler(time, data)`; the future of the first listener's request."""
        with self._lock:
            handlers = self._handlers.setdefault(topic, [])
            handlers.append(handler)
            if len(handlers) > 1:
                return None
        return self.post(lambda board: board.listen(topic, True))[1]

    def listen_no_more(self, topic: str, handler: Handler | None = None) -> bool:
        """Forget a handler, or all of a topic; whether there was any."""
        with self._lock:
            handlers = self._handlers.get(topic, [])
            found = bool(handlers) if handler is None else handler in handlers
            handlers[:] = [] if handler is None else [one for one in handlers if one is not handler]
            if handlers or not found:
                return found
            self._handlers.pop(topic, None)
        self.post(lambda board: board.listen(topic, False))
        return found

    # ---- the mailbox

    def _take_in(self, letters: list[tuple[Any, ...]]) -> None:
        for letter in letters:
            if letter[0] == "topic":
                _, topic, time, data = letter
                with self._lock:
                    handlers = list(self._handlers.get(topic, ()))
                for handler in handlers:
                    try:
                        handler(time, data)
                    except Exception:
                        logger.exception("a handler of the topic %r raised", topic)
                continue
            with self._lock:
                answer = self._open.pop(letter[1], None)
            if answer is not None:
                answer.set_result((letter[2], letter[3]) if letter[0] == "board" else ("called", letter[2]))

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            left = list(self._open.values())
            self._open.clear()
        for answer in left:
            answer.set_exception(Gone("the connection to the scheduler has ended before the answer came"))


def _empty(reference: weakref.ref[Desk], board: Board) -> None:
    """The life of the thread that empties the mailbox."""
    while True:
        letters = board.mail(1.0)
        desk = reference()
        if desk is None:
            return
        if letters is None:
            desk._end()
            return
        desk._take_in(letters)
        del desk
