"""The one door to the modules that are copied into this folder from the server package (see the installer).

In the repository the copies do not exist, so a type checker reads the originals.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server import client
    from server.client import preview as client_preview
    from server.client.geometry import CONTEXT, Region, cut, fingerprint
else:
    from . import client
    from .client import preview as client_preview
    from .client.geometry import CONTEXT, Region, cut, fingerprint

SCALE = client.SCALE

__all__ = ["CONTEXT", "SCALE", "Region", "client", "client_preview", "cut", "fingerprint"]
