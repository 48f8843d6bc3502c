"""What can go wrong before the first sample.

::

    stream.errors.AlatauError
    └── RecordingError     a folder cannot be replayed: the message says what is missing
"""

from stream.errors import AlatauError

__all__ = ["RecordingError"]


class RecordingError(AlatauError):
    """A folder of recordings cannot be used; the message says what to do."""
