"""A real Firefox, driven by WebDriver BiDi over loopback: a page opened, what it says read back, keys pressed."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import time

import aiohttp
import pytest

FLAGS = ("--headless", "--no-remote", "--new-instance", "--remote-debugging-port=0")
PREFERENCES = (
    'user_pref("app.update.enabled", false);\nuser_pref("datareporting.policy.dataSubmissionEnabled", false);\n'
)
binary = shutil.which("firefox") or shutil.which("firefox-esr")
needed = pytest.mark.skipif(binary is None, reason="firefox is not installed")


class Page:
    """A tab. `said` are errors of the console, `asked` the addresses that it wanted to load."""

    def __init__(self, profile):
        self.said, self.asked, self.number = [], [], 0
        profile.mkdir()
        (profile / "user.js").write_text(PREFERENCES)
        command = [binary, *FLAGS, "--profile", str(profile), "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.loop = asyncio.new_event_loop()
        try:
            self.loop.run_until_complete(self._attach(profile / "WebDriverBiDiServer.json"))
        except BaseException:
            self.close()
            raise

    async def _attach(self, file):
        end = time.monotonic() + 90
        while not file.is_file() or not file.read_text().strip():
            assert time.monotonic() < end and self.process.poll() is None, "firefox never listened"
            await asyncio.sleep(0.1)
        port = json.loads(file.read_text())["ws_port"]
        self.session = aiohttp.ClientSession()
        self.socket = await self.session.ws_connect(f"ws://127.0.0.1:{port}/session", max_msg_size=0)
        await self._call("session.new", capabilities={})
        await self._call("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        self.tab = (await self._call("browsingContext.getTree"))["contexts"][0]["context"]

    def call(self, method, **values):
        return self.loop.run_until_complete(self._call(method, **values))

    async def _call(self, method, **values):
        self.number += 1
        mine = self.number
        await self.socket.send_json({"id": mine, "method": method, "params": values})
        while True:
            told = json.loads((await self.socket.receive(timeout=90)).data)
            self._note(told)
            if told.get("id") == mine:
                assert told["type"] == "success", told
                return told["result"]

    def _note(self, told):
        values = told.get("params", {})
        if told.get("method") == "log.entryAdded" and values["level"] == "error":
            self.said.append(values["text"])
        elif told.get("method") == "network.beforeRequestSent":
            self.asked.append(values["request"]["url"])

    def run(self, script):
        """The value of an expression in the page; what JSON can't say is none."""
        wrapped = f"Promise.resolve({script}).then((value) => JSON.stringify(value ?? null))"
        told = self.call("script.evaluate", expression=wrapped, target={"context": self.tab}, awaitPromise=True)
        assert told["type"] == "success", told
        return json.loads(told["result"]["value"])

    def until(self, script, seconds=60):
        """Wait until an expression holds, and give its value."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"{script} never held; {self.said}; {self.run('document.body.innerText')}"
            time.sleep(0.05)
        return value

    def open(self, url):
        self.call("browsingContext.navigate", context=self.tab, url=url, wait="complete")
        self.until("document.getElementById('view') !== null")

    def press(self, key):
        keys = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.call("input.performActions", context=self.tab, actions=[{"type": "key", "id": "keys", "actions": keys}])

    def close(self):
        with contextlib.suppress(AttributeError):
            self.loop.run_until_complete(self.socket.close())
            self.loop.run_until_complete(self.session.close())
        self.loop.close()
        self.process.terminate()
        self.process.wait(30)
