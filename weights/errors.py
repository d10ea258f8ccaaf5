"""What can be wrong with a weights file, a generator's configuration, or C++ built on the user's machine.

WeightsError                     base: one sentence that says what came, what was expected, what to do
├── InvalidConfig                a configuration value outside its range, or an unknown field
├── UnknownArchitecture          a name that no generator here answers to
├── NativeError                  C++ of ours that cannot run here; callers go on without it
│   ├── NoCompiler               there is no C++ compiler
│   ├── BuildFailed              the compiler fails, or what it made cannot be kept or loaded
│   └── ForeignFolder            other users may write to the folder of built code
└── BrokenWeightsFile            a file that cannot be loaded
    ├── NotAWeightsFile          no safetensors header, a header that is no JSON, or a file cut short
    ├── UnknownFormat            written by another program, or by a newer version of this one
    ├── InvalidMetadata          a required metadata entry is missing or cannot be read
    ├── HashMismatch             the tensors are not the ones that were written
    ├── KeyMismatch              tensors missing or foreign to the architecture
    ├── ShapeMismatch            a tensor of another shape than the configuration asks for
    ├── NotANetwork              tensors of another project that no known architecture fits
    └── MissingLibrary           the library that builds other projects' networks is not here
"""


class WeightsError(Exception):
    """Base of everything that this package raises on purpose; its text is one sentence for the user."""


class InvalidConfig(WeightsError):
    """A configuration value outside its range, or a field that the architecture does not have."""


class UnknownArchitecture(WeightsError):
    """A name that no generator answers to."""


class NativeError(WeightsError):
    """C++ of ours cannot be built here; the text is a clause, which the caller completes."""


class NoCompiler(NativeError):
    """There is no C++ compiler."""


class BuildFailed(NativeError):
    """The compiler fails or takes too long, or what it made cannot be kept or loaded."""


class ForeignFolder(NativeError):
    """Other users may write to the folder of built code. The text is a whole sentence."""


class BrokenWeightsFile(WeightsError):
    """A file that cannot be loaded; nothing was changed."""


class NotAWeightsFile(BrokenWeightsFile):
    """No safetensors header, a header that is not JSON, or a file cut short."""


class UnknownFormat(BrokenWeightsFile):
    """A safetensors file of another program, or of a newer version of this one."""


class InvalidMetadata(BrokenWeightsFile):
    """A required metadata entry is missing or cannot be read."""


class HashMismatch(BrokenWeightsFile):
    """The tensors in the file are not the ones that were written."""


class KeyMismatch(BrokenWeightsFile):
    """Tensors are missing, or foreign to the architecture."""


class ShapeMismatch(BrokenWeightsFile):
    """A tensor has another shape than the configuration asks for."""


class NotANetwork(BrokenWeightsFile):
    """Tensors of another project that no known architecture fits, or that describe something else than they hold."""


class MissingLibrary(BrokenWeightsFile):
    """The library that builds the networks of other projects is not installed, or cannot be imported."""
