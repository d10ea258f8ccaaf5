"""The errors that a user of the trainer can cause. Each message says what came, what was expected, what to do.

TrainerError
├── ConfigError        settings that contradict each other or lie outside their range
├── PhotoError         one photo that cannot be used; the slicer lists it and goes on
├── SlicingError       a folder of photos, or a folder for patches, that cannot be used
├── PatchSetError      a folder of patches that is incomplete or foreign
├── PerceptualError    a feature network's weights: missing, unreachable, or of another kind
├── CheckpointError    a checkpoint or run folder that is cut short, in use, or belongs to another config
├── TrainingError      a training that cannot go on
└── EvaluationError    pictures or weights that cannot be evaluated
"""

from __future__ import annotations


class TrainerError(Exception):
    """Base of all errors that the trainer raises on purpose; its text is one sentence for the user."""


class ConfigError(TrainerError):
    """Settings that contradict each other or lie outside their range; names every fault at once."""


class PhotoError(TrainerError):
    """One photo cannot be used. Never fatal: the slicer lists it with this reason."""


class SlicingError(TrainerError):
    """The folder of photos holds nothing usable, or the folder for the patches cannot be written."""


class PatchSetError(TrainerError):
    """A folder of patches is missing, incomplete, or was cut with other settings."""


class PerceptualError(TrainerError):
    """The weights of a feature network are missing, unreachable, or of another kind."""


class CheckpointError(TrainerError):
    """A checkpoint or run folder is cut short, in use by another training, or belongs to another config."""


class TrainingError(TrainerError):
    """The training cannot go on; what was reached is kept."""


class EvaluationError(TrainerError):
    """Pictures or weights cannot be evaluated."""
