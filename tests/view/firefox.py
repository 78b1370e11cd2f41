"""A real Firefox, driven by WebDriver BiDi over loopback: a page opened, what it says read back, keys pressed."""

import json
import shutil

import pytest
from tests.view.tab import Tab

FLAGS = ("--headless", "--no-remote", "--new-instance", "--remote-debugging-port=0")
PREFERENCES = (
    'user_pref("app.update.enabled", false);\nuser_pref("datareporting.policy.dataSubmissionEnabled", false);\n'
)
binary = shutil.which("firefox") or shutil.which("firefox-esr")
needed = pytest.mark.skipif(binary is None, reason="firefox is not installed")


class Page(Tab):
    def __init__(self, profile):
        profile.mkdir()
        (profile / "user.js").write_text(PREFERENCES)
        command = [binary, *FLAGS, "--profile", str(profile), "about:blank"]
        super().__init__(command, profile / "WebDriverBiDiServer.json")

    async def address(self, text):
        return f"ws://127.0.0.1:{json.loads(text)['ws_port']}/session"

    async def greet(self):
        await self.ask("session.new", capabilities={})
        await self.ask("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        self.tab = (await self.ask("browsingContext.getTree"))["contexts"][0]["context"]

    def note(self, method, values):
        if method == "log.entryAdded" and values["level"] == "error":
            self.said.append(values["text"])
        elif method == "network.beforeRequestSent":
            self.asked.append(values["request"]["url"])

    def run(self, script):
        """The value of an expression in the page, which may be a promise; what JSON can't say is none."""
        wrapped = f"Promise.resolve({script}).then((value) => JSON.stringify(value ?? null))"
        told = self.call("script.evaluate", expression=wrapped, target={"context": self.tab}, awaitPromise=True)
        assert told["type"] == "success", told
        return json.loads(told["result"]["value"])

    def open(self, url):
        self.call("browsingContext.navigate", context=self.tab, url=url, wait="complete")
        self.until("document.getElementById('view') !== null")

    def press(self, key):
        keys = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.call("input.performActions", context=self.tab, actions=[{"type": "key", "id": "keys", "actions": keys}])
