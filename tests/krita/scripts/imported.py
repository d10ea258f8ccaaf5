"""Imports the zip with Krita's own importer, as Tools → Scripts → Import Python Plugin from File… does."""

import builtins
import sys

from inside import JOB, answer, parameters

sys.path.insert(0, "/usr/share/krita/pykrita")


def steps():
    from plugin_importer.plugin_importer import PluginImporter

    assert hasattr(builtins, "i18n")
    found = PluginImporter(
        str(JOB / parameters()["zip"]), str(JOB / "data" / "krita"), lambda plugin: True
    ).import_all()
    answer(imported=[each["name"] for each in found], titles=[each["ui_name"] for each in found])
    yield 0.1
