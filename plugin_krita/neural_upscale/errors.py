"""What can go wrong in the plug-in; every text is a sentence for the user: what came, what was expected, what to do.

UpscaleError
├── NothingToUpscale   no document, no layer, a layer without pixels or of a kind that has none
├── WrongOption        an option outside its range
├── AlreadyRunning     one upscale at a time
├── Cancelled          by the user, or because the document was closed
├── ServerFailed       the server could not be had, refused, or died; names the log
├── EditorFailed       Krita did not do what it was asked
└── Incomplete         the plug-in's own files are missing
"""


class UpscaleError(Exception):
    """Whatever keeps the plug-in from its result; `str()` is a sentence for the user."""


class NothingToUpscale(UpscaleError):
    """There is no picture to work on."""


class WrongOption(UpscaleError):
    """An option is outside its range."""


class AlreadyRunning(UpscaleError):
    """Another upscale is under way."""


class Cancelled(UpscaleError):
    """The run was ended on purpose; the document is as it was."""


class ServerFailed(UpscaleError):
    """The server could not be had, refused the work, or died."""


class EditorFailed(UpscaleError):
    """Krita did not do what it was asked."""


class Incomplete(UpscaleError):
    """The plug-in's own files are missing."""
