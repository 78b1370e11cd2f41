"""A real Chromium, driven by its own protocol over loopback: pages opened, keys pressed, what it says read back."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import threading
import time

import aiohttp
import pytest

from leaven.view import server

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
         "--disable-quic", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0")  # fmt: skip
KEYS = {"Tab": 9, "Enter": 13, "ArrowDown": 40, "ArrowRight": 39, "ArrowUp": 38, " ": 32}
needed = pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")


@contextlib.contextmanager
def served(run):
    """The address of a run's page, as long as it is served."""
    with server.serve(run) as page:
        threading.Thread(target=page.serve_forever, args=(0.05,), daemon=True).start()
        yield server.url(page)
        page.shutdown()


class Page:
    """A tab. `said` are errors of the console, `asked` the addresses that it wanted to load."""

    def __init__(self, profile, width=1280, height=900):
        self.said, self.asked, self.number = [], [], 0
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.loop = asyncio.new_event_loop()
        try:
            self.loop.run_until_complete(self._attach(profile / "DevToolsActivePort"))
        except BaseException:
            self.close()
            raise

    async def _attach(self, file):
        while not file.is_file() or not file.read_text().strip():
            await asyncio.sleep(0.05)
        self.session = aiohttp.ClientSession()
        port = file.read_text().split()[0]
        async with self.session.get(f"http://127.0.0.1:{port}/json") as reply:
            (tab,) = [one for one in await reply.json(content_type=None) if one["type"] == "page"]
        self.socket = await self.session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0)
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self._call(f"{domain}.enable")

    def call(self, method, **values):
        return self.loop.run_until_complete(self._call(method, **values))

    async def _call(self, method, **values):
        self.number += 1
        mine = self.number
        await self.socket.send_json({"id": mine, "method": method, "params": values})
        while True:
            told = json.loads((await self.socket.receive(timeout=60)).data)
            self._note(told)
            if told.get("id") == mine:
                assert "error" not in told, told
                return told["result"]

    def _note(self, told):
        values = told.get("params", {})
        if told.get("method") == "Runtime.exceptionThrown":
            self.said.append(json.dumps(values["exceptionDetails"]))
        elif told.get("method") == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.said.append(values["entry"]["text"])
        elif told.get("method") == "Network.requestWillBeSent":
            self.asked.append(values["request"]["url"])

    def run(self, script):
        """The value of an expression in the page, which may be a promise."""
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def until(self, script, seconds=30):
        """Wait until an expression holds, and give its value."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"{script} never held; {self.said}; {self.run('document.body.innerText')}"
            time.sleep(0.03)
        return value

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until("document.getElementById('view') !== null")

    def press(self, key, times=1, shift=False):
        for _ in range(times):
            for kind in ("keyDown", "keyUp"):
                text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
                self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=KEYS.get(key, 0),
                          modifiers=8 * shift, **({"text": text} if text and kind == "keyDown" else {}))  # fmt: skip

    def text(self):
        return self.run("document.body.innerText")

    def close(self):
        with contextlib.suppress(AttributeError):
            self.loop.run_until_complete(self.socket.close())
            self.loop.run_until_complete(self.session.close())
        self.loop.close()
        self.process.terminate()
        self.process.wait(20)
