"""Answers that come from a thread, as a plain iterator."""

import asyncio
import threading
import time

from leaven.llm.stream import listen


def test_a_loop_that_closes_while_the_last_answer_is_taken_is_no_error(monkeypatch):
    """What ends in another thread may close its loop right after it was seen open."""
    new_event_loop = asyncio.new_event_loop

    def slow():
        loop = new_event_loop()
        is_closed, close = loop.is_closed, loop.close

        def seen_before():
            if threading.current_thread() is not threading.main_thread() or is_closed():
                return is_closed()
            while not is_closed():
                time.sleep(0.001)
            return False

        def late():
            time.sleep(0.02)
            close()

        loop.is_closed, loop.close = seen_before, late
        return loop

    async def numbers():
        yield 1

    monkeypatch.setattr(asyncio, "new_event_loop", slow)
    assert list(listen(numbers())) == [1]
