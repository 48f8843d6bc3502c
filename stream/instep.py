"""Several partitions read so that none runs far ahead of the others."""

from collections.abc import Mapping, Sequence

from stream.records import Record

__all__ = ["SPAN_MS", "InStep"]

SPAN_MS = 5000
"""Arrivals that are handed out together lie no further apart. Where four partitions caught up on
30 s one after the other, `locate` missed 5 of 5 earthquakes near three stations; on 10 s, none."""

PATIENCE = 100  # times that a partition is held back: one wrong clock must not silence it


class InStep:
    """What has been read of some partitions and not yet been handed out."""

    def __init__(self) -> None:
        self._held: dict[int, list[Record]] = {}
        self._held_back: dict[int, int] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self._held_back.clear()

    def forget(self, partition: int) -> None:
        """Forget what is held of a partition."""
        self._held.pop(partition, None)
        self._held_back.pop(partition, None)

    def has(self, partition: int) -> bool:
        """Whether something is held of a partition."""
        return partition in self._held

    def __bool__(self) -> bool:
        """Whether anything is held."""
        return bool(self._held)

    def hold(self, batches: Mapping[int, Sequence[Record]]) -> None:
        """Take in what follows what is held."""
        for partition, records in batches.items():
            self._held.setdefault(partition, []).extend(records)

    def take(self, limit: int, span_ms: int | None = SPAN_MS) -> dict[int, list[Record]]:
        """Hand out what arrived first.

        Parameters
        ----------
        limit
            Most records of each partition.
        span_ms
            How far after the oldest that is held a record may have arrived; None for any.

        Returns
        -------
        dict of int to list
            By partition, in order, none of them empty.
        """
        if not self._held:
            return {}
        oldest = min(records[0].timestamp for records in self._held.values())
        taken = {}
        for partition, records in sorted(self._held.items()):
            end = min(limit, len(records))
            if span_ms is not None and self._held_back.get(partition, 0) < PATIENCE:
                until = oldest + span_ms
                end = next((i for i in range(end) if records[i].timestamp > until), end)
            if end == 0:
                self._held_back[partition] = self._held_back.get(partition, 0) + 1
                continue
            taken[partition] = records[:end]
            self._held_back.pop(partition, None)
            if end < len(records):
                self._held[partition] = records[end:]
            else:
                del self._held[partition]
        return taken
