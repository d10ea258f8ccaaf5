"""`POST /v1/cleanup`: the automatic value of `cleanup` for a whole picture, from a few squares of it.

So an editor's preview and selection get the value of the layer that they are part of, without sending all of it.
"""

from __future__ import annotations

import numpy as np
from flask import request

from server.client.sampling import sampled_regions
from server.http.model_choice import checked_parameters
from server.pipeline.model_store import ModelStore
from server.pixels.cleanup import judge_pieces
from server.pixels.layouts import as_samples


class CleanupRoute:
    """The route; it answers at once, and queues nothing."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store

    def __call__(self) -> dict[str, float | None]:
        """Answer one request."""
        asked = checked_parameters()
        self._store.resolve(asked.model.name)  # an unknown model is an error, not one without the control
        body = request.environ["wsgi.input"].read()
        if not self._store.has_cleanup(asked.model.name):
            return {"cleanup": None}
        regions = sampled_regions(asked.size)
        pieces = as_samples(body, regions[0].width, asked.pixel_format)
        return {"cleanup": judge_pieces(np.stack(np.split(pieces, len(regions))), regions, asked.pixel_format)}
