"""Build the package: the five top-level packages with everything that lies in them, and the program's entry.

The editors' plug-ins are data of `plugin_gimp` and `plugin_krita`: the editors' own Pythons run them, so setuptools
ships their files as they are. They need a copy of `server/client/` beside them; the installers and the zips make it.
"""

from __future__ import annotations

from setuptools import find_namespace_packages, setup

PACKAGES = ["weights", "server", "trainer", "plugin_gimp", "plugin_krita"]
NO_DATA = ["*.py[cod]", "**/*.py[cod]", "**/__pycache__/*"]

setup(
    py_modules=["neural_upscale_cli"],
    # Folders of data count as packages too: setuptools warns of those that it is not told of.
    packages=find_namespace_packages(
        include=[*PACKAGES, *(f"{each}.*" for each in PACKAGES)], exclude=["*.__pycache__", "*.__pycache__.*"]
    ),
    package_data={each: ["**/*"] for each in PACKAGES},
    exclude_package_data={"": NO_DATA},
)
