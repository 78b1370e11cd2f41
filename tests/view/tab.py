"""A tab of a real browser on loopback, which is spoken to by messages of JSON: each browser has words of its own."""

import asyncio
import contextlib
import json
import subprocess
import time

import aiohttp

PATIENCE = 90
"""Seconds in which a browser has begun, and answers; beside other tests it may take many."""


class Tab:
    """`said` are errors of the console, `asked` the addresses that it wanted to load."""

    def __init__(self, command, file):
        """Begin the browser, which writes into the file where it listens."""
        self.said, self.asked, self.number = [], [], 0
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.loop = asyncio.new_event_loop()
        try:
            self.loop.run_until_complete(self._attach(file))
        except BaseException:
            self.close()
            raise

    async def _attach(self, file):
        end = time.monotonic() + PATIENCE
        while not file.is_file() or not file.read_text().strip():
            assert time.monotonic() < end and self.process.poll() is None, "the browser never listened"
            await asyncio.sleep(0.05)
        self.session = aiohttp.ClientSession()
        self.socket = await self.session.ws_connect(await self.address(file.read_text()), max_msg_size=0)
        await self.greet()

    async def address(self, text):
        """Where to speak to it, by what it wrote."""
        raise NotImplementedError

    async def greet(self):
        """What it is told first, so that it says what happens in it."""
        raise NotImplementedError

    def note(self, method, values):
        """Keep what an event says."""
        raise NotImplementedError

    def run(self, script):
        """The value of an expression in the page, which may be a promise."""
        raise NotImplementedError

    def call(self, method, **values):
        return self.loop.run_until_complete(self.ask(method, **values))

    async def ask(self, method, **values):
        self.number += 1
        mine = self.number
        await self.socket.send_json({"id": mine, "method": method, "params": values})
        while True:
            told = json.loads((await self.socket.receive(timeout=PATIENCE)).data)
            if told.get("id") == mine:
                assert "error" not in told, told
                return told["result"]
            self.note(told.get("method"), told.get("params", {}))

    def until(self, script, seconds=60):
        """Wait until an expression holds, and give its value."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"{script} never held; {self.said}; {self.run('document.body.innerText')}"
            time.sleep(0.03)
        return value

    def close(self):
        with contextlib.suppress(AttributeError):
            self.loop.run_until_complete(self.socket.close())
            self.loop.run_until_complete(self.session.close())
        self.loop.close()
        self.process.terminate()
        self.process.wait(30)
