"""The few errors a person can cause.

Each message is one clear sentence that names the thing, the value and the way out. The page turns
them into a toast, the command line prints them and exits with 2. Every other exception is a bug and
stays loud.
"""


class MIRNetError(Exception):
    """Base of all errors whose text is written for the person at the screen."""


class ImageRejected(MIRNetError):
    """A picture cannot be read, is too large, or cannot be written as asked."""


class CheckpointRejected(MIRNetError):
    """A weights file is unsafe, damaged, or fits none of the architectures."""


class WeightsUnavailable(MIRNetError):
    """Weights are unknown, not downloaded yet, or could not be downloaded."""


class InvalidRequest(MIRNetError):
    """A setting is outside its range: unknown task, strength, tile size, configuration."""


class Cancelled(MIRNetError):
    """The work was stopped before it was complete, so there is no result."""
