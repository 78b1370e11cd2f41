"""Servers in virtual time: what the throttle makes of them is counted in seconds that nobody waits for."""

import asyncio
import json
import random
import time
from contextlib import nullcontext

from leaven.llm.client import Client
from leaven.llm.engines.openai import OpenAI
from leaven.llm.protocol import Sampling
from leaven.llm.throttle import Limits
from leaven.rows.example import user

DONE = json.dumps({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], "usage": {}})


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self):
        super().__init__()
        self.now, ready = 0.0, self._selector.select

        def select(timeout):
            found = ready(0)
            if not found and timeout:
                self.now += timeout
            return found

        self._selector.select = select

    def time(self):
        assert self.now < 1000, "it does not end"
        return self.now


class Capped:
    """Takes so many calls at a time; more wait there, or are refused at once."""

    def __init__(self, cap, seconds=0.2, refuses=True, spread=0.0, seed=0):
        self.cap, self.seconds, self.refuses, self.spread = cap, seconds, refuses, spread
        self.under_way, self.refused, self.room, self.random = 0, 0, asyncio.Semaphore(cap), random.Random(seed)

    async def __call__(self):
        await asyncio.sleep(0.001)
        if self.refuses and self.under_way >= self.cap:
            self.refused += 1
            return 429, "", 0.2
        self.under_way += 1
        async with nullcontext() if self.refuses else self.room:
            await asyncio.sleep(self.seconds * (1 + self.spread * (self.random.random() - 0.5)))
        self.under_way -= 1
        await asyncio.sleep(0.001)
        return 200, DONE, None


class Busy(Capped):
    """As processes are: client and server work through one message after another, and the first calls connect."""

    def __init__(self, cap, client=0.0005, server=0.0005, connect=0.0004):
        super().__init__(cap)
        self.seconds_of, self.connect = {"client": client, "server": server}, connect
        self.free, self.came, self.idle, self.changed = {"client": 0.0, "server": 0.0}, 0, 0.0, 0.0

    async def handle(self, who, further=0.0):
        now = asyncio.get_running_loop().time()
        self.free[who] = max(self.free[who], now) + self.seconds_of[who] + further
        await asyncio.sleep(self.free[who] - now)

    def change(self, by):
        """So many calls more at the server; until now some of its slots were idle."""
        now = asyncio.get_running_loop().time()
        self.idle += (now - self.changed) * (self.cap - self.under_way)
        self.under_way, self.changed = self.under_way + by, now

    async def __call__(self):
        self.came += 1
        await self.handle("client", self.connect if self.came <= self.cap else 0.0)
        await self.handle("server")
        if full := self.under_way >= self.cap:
            self.refused += 1
        else:
            self.change(+1)
            await asyncio.sleep(self.seconds)
            self.change(-1)
        await self.handle("server")
        await self.handle("client")
        return (429, "", 0.2) if full else (200, DONE, None)


class Rated:
    """Takes so many calls a minute, counted in seconds, and says how long to wait."""

    def __init__(self, a_minute, seconds=0.5):
        self.a_second, self.seconds, self.refused, self.second, self.taken = a_minute / 60, seconds, 0, -1, 0

    async def __call__(self):
        now = asyncio.get_running_loop().time()
        if int(now) != self.second:
            self.second, self.taken = int(now), 0
        if self.taken >= self.a_second:
            self.refused += 1
            return 429, "", int(now) + 1 - now
        self.taken += 1
        await asyncio.sleep(self.seconds)
        return 200, DONE, None


def seconds(monkeypatch, server, calls, limits=None):
    """How long so many calls take, all of which must be answered; the engine is left in `server.llm`."""
    loop = Loop()
    monkeypatch.setattr(time, "monotonic", loop.time)

    async def send(client, session, slot, request):
        slot.server.requests += 1
        try:
            return await server()
        finally:
            client.servers.leave(slot)

    monkeypatch.setattr(Client, "_send", send)
    server.llm = OpenAI.open("m", "http://virtual/v1", limits or Limits())

    async def run():
        return [reply async for _, reply in server.llm._answered([user(str(n)) for n in range(calls)], Sampling())]

    try:
        replies = loop.run_until_complete(run())
    finally:
        monkeypatch.undo()
        loop.close()
    assert len(replies) == calls and all(reply.text == "yes" for reply in replies)
    return loop.now
