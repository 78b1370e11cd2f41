"""A real Chromium, driven by its own protocol over loopback: pages opened, keys pressed, what it says read back."""

import contextlib
import json
import shutil
import threading

import pytest
from tests.view.tab import Tab

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


class Page(Tab):
    def __init__(self, profile, width=1280, height=900):
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", "about:blank"]
        super().__init__(command, profile / "DevToolsActivePort")

    async def address(self, text):
        async with self.session.get(f"http://127.0.0.1:{text.split()[0]}/json") as reply:
            (tab,) = [one for one in await reply.json(content_type=None) if one["type"] == "page"]
        return tab["webSocketDebuggerUrl"]

    async def greet(self):
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.ask(f"{domain}.enable")

    def note(self, method, values):
        if method == "Runtime.exceptionThrown":
            self.said.append(json.dumps(values["exceptionDetails"]))
        elif method == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.said.append(values["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.asked.append(values["request"]["url"])

    def run(self, script):
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

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
