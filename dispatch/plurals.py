"""Which form of a noun stands after a whole number (Unicode CLDR plural rules, cardinal)."""

from collections.abc import Callable, Mapping
from typing import Literal

__all__ = ["Category", "Rule", "categories", "category"]

Category = Literal["one", "few", "many", "other"]
Rule = Literal["same", "one-other", "east-slavic"]
"""``same``: the form does not change, as in the Turkic languages and in Tajik, where the noun
stays singular after a number."""


def _same(_: int) -> Category:
    return "other"


def _one_other(count: int) -> Category:
    return "one" if count == 1 else "other"


def _east_slavic(count: int) -> Category:
    tens, units = count % 100, count % 10
    if units == 1 and tens != 11:
        return "one"
    return "few" if units in (2, 3, 4) and tens not in (12, 13, 14) else "many"


_RULES: Mapping[Rule, tuple[Callable[[int], Category], tuple[Category, ...]]] = {
    "same": (_same, ("other",)),
    "one-other": (_one_other, ("one", "other")),
    "east-slavic": (_east_slavic, ("one", "few", "many")),
}


def category(rule: Rule, count: int) -> Category:
    """Return the form for a number of things, 0 or more."""
    return _RULES[rule][0](count)


def categories(rule: Rule) -> tuple[Category, ...]:
    """Return the forms that a language of this rule needs."""
    return _RULES[rule][1]
