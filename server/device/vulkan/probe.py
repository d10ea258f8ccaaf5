"""A process of its own: prints the Vulkan devices as JSON. ncnn only.

Looking for them loads every Vulkan driver of the machine; one that crashes must take no server with it.
"""

from __future__ import annotations

import json

KINDS = ("discrete", "integrated", "virtual", "cpu")  # in ncnn's numbers


def main() -> None:
    """Print [{"index", "name", "kind", "version"}]; the version is that of driver and ncnn."""
    import ncnn

    found = []
    for index in range(ncnn.get_gpu_count()):
        device = ncnn.get_gpu_info(index)
        kind = KINDS[device.type()] if device.type() < len(KINDS) else "other"
        version = f"{device.driver_version()} {ncnn.__version__}"
        found.append({"index": index, "name": device.device_name(), "kind": kind, "version": version})
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
