"""Errors of pose estimation; each message names the value and the remedy."""


class PoseError(Exception):
    """Base of this package's errors."""


class RuntimeMissingError(PoseError):
    """LiteRT is not installed or does not run here."""


class WeightsError(PoseError):
    """Weights are missing, damaged or not those that are pinned."""


class LandmarkFileError(PoseError):
    """A landmark file, or a table of labels, is not what it should be."""
