"""The one door to the modules that are copied into this folder from the server package (see the installer).

In the repository the copies do not exist, so a type checker reads the originals.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server import client, client_preview
    from server.client_geometry import CONTEXT, Region, cut
else:
    from . import client, client_preview
    from .client_geometry import CONTEXT, Region, cut

__all__ = ["CONTEXT", "Region", "client", "client_preview", "cut"]
