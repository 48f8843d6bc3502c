"""What can go wrong, for every room.

::

    AlatauError
    `-- ConfigurationError    a file that a person wrote does not say what can be done

The rooms above hang their own errors below `AlatauError`: whoever runs a command catches
that one, prints it, and ends with an exit code.
"""

from pathlib import Path

__all__ = ["AlatauError", "ConfigurationError"]


class AlatauError(Exception):
    """Root of all errors that Alatau raises on purpose; its text is for people."""


class ConfigurationError(AlatauError):
    """The configuration cannot be used: what is wrong, where, and what would be right.

    Attributes
    ----------
    problem
        What is wrong.
    remedy
        What to do about it.
    file, line
        Where it stands (lines count from 1); None where there is no such place.
    """

    def __init__(
        self, problem: str, *, remedy: str, file: Path | None = None, line: int | None = None
    ) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy
        self.file = file
        self.line = line

    def __str__(self) -> str:
        """``file:line: problem`` and the remedy on the next line."""
        place = "".join(f"{part}:" for part in (self.file, self.line) if part is not None)
        return f"{place} {self.problem}\n{self.remedy}".lstrip()
