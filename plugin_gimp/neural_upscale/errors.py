"""What can go wrong in the plug-in itself; every text is a sentence for the user.

PluginError
├── Unsuitable      what is selected cannot be enlarged
├── ImageGone       the image was closed while the server worked
├── EditorFailed    GIMP did not do what it was asked
└── Incomplete      the plug-in's own files are missing
"""


class PluginError(Exception):
    """Whatever keeps the plug-in from its result; `str()` is a sentence for the user."""


class Unsuitable(PluginError):
    """What is selected cannot be enlarged."""


class ImageGone(PluginError):
    """The image was closed while the server worked; nothing was written."""


class EditorFailed(PluginError):
    """GIMP did not do what it was asked."""


class Incomplete(PluginError):
    """The plug-in's own files are missing."""
