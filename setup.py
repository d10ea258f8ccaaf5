"""Build the package: five top-level packages, and the client copied into each plug-in.

The editors run the plug-ins with their own Python interpreters, which cannot import `server`; so each plug-in
folder holds a copy of `server/client.py`. The copy is made here, when a wheel is built, and by the installers.
"""

from setuptools import setup

PACKAGES = ["weights", "server", "trainer", "plugin_gimp", "plugin_krita"]

setup(packages=PACKAGES)
