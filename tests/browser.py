"""A headless Chromium, driven over a pipe: what a page looks like, and what it asked for."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile

#: What the browser may be called.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-dev-shm-usage --disable-extensions --mute-audio --remote-debugging-pipe"
).split()

#: Longest wait for an answer in s.
PATIENCE = 60


def find_browser():
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page in a Chromium of its own; use it as a context.

    Messages are JSON, each ended by a zero byte; the browser reads them from its file 3 and
    writes to its file 4.
    """

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self.send_fd = os.pipe()
        self.receive_fd, theirs_out = os.pipe()
        shell = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
        command = ["bash", "-c", shell, find_browser(), *OPTIONS]
        self.process = subprocess.Popen(
            [*command, f"--user-data-dir={self.profile.name}", "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.buffer, self.number, self.session, self.events = b"", 0, None, []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        attached = self("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self(f"{domain}.enable")
        return self

    def __exit__(self, *error):
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            self.session = None
            self("Browser.close")
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.send_fd)
        os.close(self.receive_fd)
        self.profile.cleanup()

    def __call__(self, method, **parameters):
        """Call a method of the DevTools protocol and return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.send_fd, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self.number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _next(self):
        while b"\0" not in self.buffer:
            if not select.select([self.receive_fd], [], [], PATIENCE)[0]:
                raise TimeoutError(f"the browser has not answered for {PATIENCE} s")
            received = os.read(self.receive_fd, 1 << 20)
            if not received:
                raise EOFError("the browser has ended")
            self.buffer += received
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def open(self, path, width=1200, height=900, scheme="light"):
        """Load a file at a width, and wait until it is there."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self("Emulation.setDeviceMetricsOverride", **size)
        scheme = [{"name": "prefers-color-scheme", "value": scheme}]
        self("Emulation.setEmulatedMedia", media="screen", features=scheme)
        self.events.clear()
        self("Page.navigate", url=path.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def evaluate(self, expression):
        """The value of a JavaScript expression in the page."""
        found = self(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def complaints(self):
        """What the browser logged, and requests that failed or went anywhere but the page."""
        found = []
        for event in self.events:
            method, what = event["method"], event["params"]
            if method == "Network.requestWillBeSent":
                url = what["request"]["url"]
                if not url.startswith("data:") and what.get("type") != "Document":
                    found.append(f"asked for {url}")
            elif method == "Network.loadingFailed":
                found.append(f"failed: {what['errorText']}")
            elif method == "Log.entryAdded":
                found.append(what["entry"]["text"])
            elif method == "Runtime.exceptionThrown":
                found.append(what["exceptionDetails"]["text"])
        return found

    def screenshot(self, path):
        """Write the whole page as a PNG."""
        shot = self("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self):
        """The page as it is printed."""
        return base64.b64decode(self("Page.printToPDF", printBackground=True)["data"])
