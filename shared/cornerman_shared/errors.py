"""The one error tree.

An error says what happened, names the offending value, and says what to do. Its class tells the consumer what becomes
of the entry being worked on: a `RetryableError` leaves it pending, a `PoisonError` buries it, a `FatalError` ends the
process.
"""


class CornermanError(Exception):
    """Base of everything Cornerman raises on purpose."""


class RetryableError(CornermanError):
    """The world failed (network, server, device); the same work may succeed later."""


class PoisonError(CornermanError):
    """This entry can never succeed; it belongs in the dead-letter stream."""


class FatalError(CornermanError):
    """This process cannot go on; a supervisor may start a new one."""


class ConfigError(FatalError):
    """A setting is wrong. Names the field, the value and the remedy."""


class SourceError(CornermanError):
    """A video source cannot be opened or decoded. Never carries credentials."""


class MalformedError(PoisonError):
    """Bytes on the bus are not a message of this version."""


class BlobExpiredError(CornermanError):
    """A claim check points at bytes that are gone. A counted drop, never a crash."""


class FencedError(CornermanError):
    """A newer owner holds the lease; whatever we were doing is no longer ours to do."""


class GenerationError(CornermanError):
    """The generator back end failed. Reaches subscribers as an error event with its cause."""
