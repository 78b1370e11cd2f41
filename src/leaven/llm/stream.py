"""Many calls at once, in a thread of their own, as one plain iterator of answers."""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

from leaven.llm.servers import Servers, Slot

Q = TypeVar("Q")
R = TypeVar("R")


async def gather(
    ask: Callable[[Slot, Q], Awaitable[R]], questions: Iterable[Q], servers: Servers
) -> AsyncIterator[tuple[int, R]]:
    """Ask whenever a server has room, and yield what is ready meanwhile, with the number of its question.

    When a call raises, no more begin; those under way are paid for, so they are yielded before the error is raised.
    """
    ready: asyncio.Queue[tuple[int, R] | None] = asyncio.Queue()
    tasks: set[asyncio.Task[None]] = set()
    errors: list[Exception] = []

    async def one(slot: Slot, index: int, question: Q) -> None:
        try:
            ready.put_nowait((index, await ask(slot, question)))
        except Exception as error:
            errors.append(error)

    async def start() -> None:
        try:
            for number, question in enumerate(questions):
                slot = await servers.slot()
                if errors:
                    servers.leave(slot)
                    break
                task = asyncio.create_task(one(slot, number, question))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        except Exception as error:  # of whoever makes the questions
            errors.append(error)
        while tasks:
            await asyncio.wait(set(tasks))
        ready.put_nowait(None)

    starter = asyncio.create_task(start())
    try:
        while (item := await ready.get()) is not None:
            yield item
        if errors:
            raise errors[0]
    finally:
        for task in (starter, *tasks):
            task.cancel()
        await asyncio.gather(starter, *tasks, return_exceptions=True)


def listen(source: AsyncIterator[R]) -> Iterator[R]:
    """An asynchronous iterator as a plain one: it runs in a thread, which ends when the caller stops listening."""
    ready: queue.SimpleQueue[R | BaseException | None] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()

    async def pump() -> None:
        try:
            async for item in source:
                ready.put(item)
            ready.put(None)
        except BaseException as error:
            ready.put(error)
            if isinstance(error, asyncio.CancelledError):
                await source.aclose()  # type: ignore[attr-defined]

    task = loop.create_task(pump())
    thread = threading.Thread(target=_run, args=(loop, task), daemon=True, name="leaven-llm")
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        with suppress(RuntimeError):  # it has ended, and closes its loop at any moment
            loop.call_soon_threadsafe(task.cancel)
        thread.join()


def _run(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[None]") -> None:
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        pass
    finally:
        loop.close()
