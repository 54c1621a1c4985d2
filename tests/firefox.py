"""The machine's own Firefox, through WebDriver BiDi: Playwright drives only one of its own."""

import json
import shutil
import subprocess
import time
from contextlib import contextmanager

from websocket import create_connection

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox")
MISSING = "There is no Firefox (Debian: apt install firefox-esr)."
# It moves nothing, and asks nobody for updates or for whether there is a network.
SETTINGS = {
    "app.normandy.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "",
    "ui.prefersReducedMotion": 1,
}
HEARD = ["log.entryAdded", "network.beforeRequestSent", "network.responseCompleted"]


class Firefox:
    """One tab; `problems` are the errors on its console and all that it asked other places for."""

    def __init__(self, address):
        self.socket = create_connection(address, timeout=600, suppress_origin=True)
        self.number, self.problems, self.home = 0, [], ""
        self.send("session.new", capabilities={})
        self.tab = self.send("browsingContext.getTree")["contexts"][0]["context"]
        self.send("session.subscribe", events=HEARD, contexts=[self.tab])

    def send(self, method, **parameters):
        """The result of a command; what happens meanwhile is noted."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self.socket.recv())
            if told.get("id") == self.number:
                break
            self.hear(told.get("method"), told["params"])
        if told["type"] == "error":
            raise RuntimeError(f"{method}: {told['message']}")
        return told["result"]

    def hear(self, event, told):
        if event == "log.entryAdded" and told["level"] == "error":
            self.problems.append(told["text"])
        if event == "network.beforeRequestSent":
            address = told["request"]["url"]
            if not address.startswith((self.home, "data:", "blob:")):
                self.problems.append(f"asks for {address}")
        if event == "network.responseCompleted" and told["response"]["status"] >= 400:
            self.problems.append(f"{told['response']['url']} is missing")

    def open(self, home, path):
        """Load a page that lies below `home`, the only place that it may ask for something."""
        self.home = home
        self.send(
            "browsingContext.navigate", context=self.tab, url=f"{home}/{path}", wait="complete"
        )

    def resize(self, width, height=900):
        viewport = {"width": width, "height": height}
        self.send("browsingContext.setViewport", context=self.tab, viewport=viewport)

    def evaluate(self, expression):
        """What an expression of JavaScript comes to, awaited, as JSON has it."""
        told = self.send(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({expression})) ?? null))()",
            target={"context": self.tab},
            awaitPromise=True,
        )
        if told["type"] == "exception":
            raise RuntimeError(told["exceptionDetails"]["text"])
        return json.loads(told["result"]["value"])


@contextmanager
def firefox(folder):
    """The running browser, with its profile in an empty folder."""
    lines = [f"user_pref({json.dumps(key)}, {json.dumps(to)});" for key, to in SETTINGS.items()]
    (folder / "user.js").write_text("\n".join(lines))
    command = [PROGRAM, "--headless", "--no-remote", "--profile", str(folder)]
    command += ["--remote-debugging-port", "0", "about:blank"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    told, patience = folder / "WebDriverBiDiServer.json", time.monotonic() + 120
    with subprocess.Popen(command, env=environment, **quiet) as program:
        try:
            while not told.exists():
                assert program.poll() is None and time.monotonic() < patience, "it does not start"
                time.sleep(0.1)
            time.sleep(0.1)  # until it is written whole
            place = json.loads(told.read_text())
            yield Firefox(f"ws://{place['ws_host']}:{place['ws_port']}/session")
        finally:
            program.terminate()
