"""What every channel can do."""

from collections.abc import Callable, Sequence
from typing import Protocol

from dispatch.delivery import Attempt, Outcome
from dispatch.facts import Fact
from dispatch.parcels import Parcel

__all__ = ["Channel", "Tell"]

Tell = Callable[[Fact], None]
"""Takes a fact that a channel learns of by itself, such as an acknowledgement."""


class Channel(Protocol):
    """A way out. It fails by itself, and waits for no other.

    Attributes
    ----------
    once
        Whether the other side drops repeats by the key of an attempt.
    """

    once: bool

    async def open(self, tell: Tell) -> None:
        """Get ready; what cannot be reached now is tried again by itself."""
        ...

    async def send(self, attempt: Attempt) -> Outcome:
        """Send a message.

        It ends by itself, or is cancelled after `timeout_s`: then it may have arrived.
        """
        ...

    def restore(self, parcels: Sequence[Parcel]) -> None:
        """Show again what stood when another process ended: messages that have not expired."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
