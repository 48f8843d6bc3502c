"""What can go wrong before the first sample.

::

    stream.errors.AlatauError
    ├── ClockError         the clock of this machine went back
    ├── MetadataError      a service did not give station metadata of use
    └── RecordingError     a folder cannot be replayed: the message says what is missing
"""

from stream.errors import AlatauError

__all__ = ["ClockError", "MetadataError", "RecordingError"]


class ClockError(AlatauError):
    """The clock of this machine went back, and what is made of arrivals cannot follow."""


class MetadataError(AlatauError):
    """A service did not give station metadata of use; the message says which, and why."""


class RecordingError(AlatauError):
    """A folder of recordings cannot be used; the message says what to do."""
