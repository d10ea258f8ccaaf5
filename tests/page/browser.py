"""A real headless Chromium, driven over the WebDriver protocol of its chromedriver; nothing is faked.

Plain HTTP through requests: the protocol is a dozen JSON routes, and this way nothing else is to be installed.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key under which the protocol passes elements
KEYS = {"tab": "\ue004", "enter": "\ue007", "left": "\ue012", "up": "\ue013", "right": "\ue014", "end": "\ue010"}
SCREENSHOTS = Path(__file__).resolve().parent.parent / "screenshots"


def obstacle() -> str:
    """Return why there is no browser; empty when there is one."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not installed: apt install chromium chromium-driver" if missing else ""


class Browser:
    """One window."""

    def __init__(self, session: str, downloads: Path) -> None:
        self._session = session
        self.downloads = downloads

    def _ask(self, method: str, route: str, **parameters: Any) -> Any:
        answer = requests.request(method, f"{self._session}{route}", json=parameters or {}, timeout=90)
        value = answer.json()["value"]
        assert answer.ok, value
        return value

    def open(self, address: str) -> None:
        self._ask("POST", "/url", url=address)

    @property
    def address(self) -> str:
        return str(self._ask("GET", "/url"))

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page; its return value comes back as JSON."""
        return self._ask("POST", "/execute/sync", script=script, args=list(arguments))

    def find(self, selector: str) -> dict[str, str]:
        found: dict[str, str] = self._ask("POST", "/element", using="css selector", value=selector)
        return found

    def click(self, selector: str) -> None:
        self._ask("POST", f"/element/{self.find(selector)[ELEMENT]}/click")

    def type(self, selector: str, text: str) -> None:
        self._ask("POST", f"/element/{self.find(selector)[ELEMENT]}/value", text=text)

    def press(self, *keys: str) -> None:
        """Press keys one after the other, wherever the focus is; names as in KEYS, or characters."""
        presses = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", actions=[{"type": "key", "id": "keyboard", "actions": presses}])

    def drag(self, selector: str, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Drag with the mouse; offsets in pixels from the element's centre."""
        origin = self.find(selector)
        actions = [
            {"type": "pointerMove", "origin": origin, "x": start[0], "y": start[1], "duration": 0},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "origin": origin, "x": end[0], "y": end[1], "duration": 100},
            {"type": "pointerUp", "button": 0},
        ]
        pointer = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}
        self._ask("POST", "/actions", actions=[pointer])

    def pinch(self, selector: str, start: int, end: int) -> None:
        """Move two fingers apart or together; distances in pixels, about the element's centre."""
        origin = self.find(selector)
        sources = []
        for name, side in (("left", -1), ("right", 1)):
            way = [(start, 0), (start, None), (end, 200)]
            actions: list[dict[str, Any]] = [
                {"type": "pointerDown", "button": 0}
                if duration is None
                else {"type": "pointerMove", "origin": origin, "x": side * apart // 2, "y": 0, "duration": duration}
                for apart, duration in way
            ]
            actions.append({"type": "pointerUp", "button": 0})
            sources.append({"type": "pointer", "id": name, "parameters": {"pointerType": "touch"}, "actions": actions})
        self._ask("POST", "/actions", actions=sources)

    def spoken(self) -> list[tuple[str, str]]:
        """Return role and name of everything that can be focused, as the browser tells a screen reader."""
        tree = self._ask("POST", "/goog/cdp/execute", cmd="Accessibility.getFullAXTree", params={})["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree
            if not node["ignored"]
            and any(each["name"] == "focusable" and each["value"]["value"] for each in node.get("properties", []))
        ]

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).textContent", selector))

    def is_shown(self, selector: str) -> bool:
        return bool(self.run("return document.querySelector(arguments[0]).checkVisibility()", selector))

    def is_enabled(self, selector: str) -> bool:
        return bool(self.run("return !document.querySelector(arguments[0]).disabled", selector))

    def focus(self) -> str:
        """Return the id of the element that has the focus."""
        return str(self.run("return document.activeElement.id"))

    def messages(self) -> list[str]:
        """Return what the browser complained about: script errors, refused resources."""
        logged = self._ask("POST", "/se/log", type="browser")
        return [each["message"] for each in logged if each["level"] == "SEVERE"]

    def screenshot(self, name: str) -> Path:
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        path.write_bytes(self.pixels())
        return path

    def pixels(self) -> bytes:
        """Return what the window shows, as a PNG file."""
        return base64.b64decode(self._ask("GET", "/screenshot"))

    def measure(self, width: int, height: int) -> None:
        """Lay the page out for a screen of this size, whatever the window's own."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("POST", "/goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride", params=size)
        self._ask("POST", "/goog/cdp/execute", cmd="Emulation.setScrollbarsHidden", params={"hidden": True})

    def resize(self, width: int, height: int) -> None:
        self._ask("POST", "/window/rect", width=width, height=height)

    def dark(self, is_dark: bool) -> None:
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]
        self._ask("POST", "/goog/cdp/execute", cmd="Emulation.setEmulatedMedia", params={"features": scheme})

    def hand_over(self, event: str, path: Path, kind: str) -> None:
        """Drop a file on the page, or paste it there, as the browser itself would tell the page."""
        script = """
            const [event, name, kind, encoded] = arguments;
            const contents = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([contents], name, {type: kind}));
            document.querySelector("#drop").dispatchEvent(event === "drop"
                ? new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true})
                : new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true}));
        """
        self.run(script, event, path.name, kind, base64.b64encode(path.read_bytes()).decode())

    def downloaded(self, name: str, seconds: float = 20) -> Path:
        path = self.downloads / name
        wait_until(
            lambda: path.exists() and not list(self.downloads.glob("*.crdownload")), f"{name} to arrive", seconds
        )
        return path


def wait_until(is_so: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Wait for a condition; fail the test after a generous time."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.1)


@contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """Run a Chromium with a profile of its own below `folder`, and end it afterwards."""
    downloads = folder / "downloads"
    downloads.mkdir(parents=True)
    log = (folder / "chromedriver.log").open("w+")
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=log, stderr=log, env=environment)
    try:
        base = f"http://127.0.0.1:{_port_of(driver, folder / 'chromedriver.log')}/session"
        flags = ["--headless=new", "--window-size=1200,1000", f"--user-data-dir={folder / 'profile'}", "--disable-gpu"]
        flags += ["--disable-dev-shm-usage", "--no-first-run", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        options = {"args": flags, "prefs": {"download.default_directory": str(downloads)}}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = requests.post(base, json={"capabilities": {"alwaysMatch": wanted}}, timeout=90).json()["value"]
        assert "sessionId" in answer, answer
        session = f"{base}/{answer['sessionId']}"
        try:
            yield Browser(session, downloads)
        finally:
            requests.delete(session, timeout=30)
    finally:
        driver.terminate()
        driver.wait(20)
        log.close()


def _port_of(driver: subprocess.Popen[bytes], log: Path) -> int:
    found: list[str] = []

    def told() -> bool:
        assert driver.poll() is None, log.read_text()
        found[:] = [line for line in log.read_text().splitlines() if "started successfully on port" in line]
        return bool(found)

    wait_until(told, "chromedriver to start", 30)
    return int(found[0].rpartition(" ")[2].rstrip("."))
