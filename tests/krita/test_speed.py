"""What the plug-in costs around the network, and what holds up the window: 12 megapixels against a server that copies.

The limits are generous, for machines that do other things; docs/krita.md has the figures of a quiet one.
"""

from __future__ import annotations

import pytest

from tests.hosts.copying_server import copying_server
from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession

pytestmark = [pytest.mark.krita, pytest.mark.slow]

OUTPUTS = ["new", "layer", "enlarge"]


def test_only_kritas_own_calls_hold_up_the_window(krita: KritaSession, model_server: ModelServer) -> None:
    with copying_server(krita.work / "runtime.json") as copied:
        told = krita.run("speed", parameters={"size": [4000, 3000], "outputs": OUTPUTS}).answers()
    model_server.announce(krita.work)
    for output, copying in zip(OUTPUTS, copied, strict=True):
        found = told[output]
        megabytes = [round(each / 1e6) for each in found["memory"]]
        print(
            f"{output}: {found['seconds'] - copying:.2f} s on the clock without the copying; window held up for "
            f"{found['held']:.2f} s, at most {found['longest']:.2f} s at once, {found['ours']:.2f} s outside of calls "
            f"into Qt and Krita: {found['calls']}; resident before and at most: {megabytes} MB"
        )
        assert found["ours"] < 1.5
