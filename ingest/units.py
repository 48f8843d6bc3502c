"""Units of readings, converted by pint and never guessed."""

import math
import re
from functools import lru_cache

import pint

__all__ = ["EXAMPLES", "Conversion", "UnitError", "conversion", "measures"]

_LONGEST = 40
_TERM = r"[^\W\d]\w*|%|°\w?|[^\W\d]*°\w?"
_POWER = r"(?:\s?(?:\*\*|\^)\s?-?\d|[²³])?"
_UNIT = re.compile(rf"(?:1\s?/\s?)?(?:{_TERM}){_POWER}(?:\s?[*/·]\s?(?:{_TERM}){_POWER})*")
_ABSORBED = ("gray", "rads")
_EQUIVALENT = ("sievert", "rem")

EXAMPLES = {
    "stage": ("m", "cm"),
    "pressure": ("hPa", "bar"),
    "discharge": ("m^3/s",),
    "rain": ("mm",),
    "temperature": ("degC", "kelvin"),
    "displacement": ("mm", "m"),
    "tilt": ("mrad", "deg"),
    "tremor": ("mm/s", "m/s"),
    "infrasound": ("Pa",),
    "dose rate": ("uSv/h", "uGy/h"),
    "concentration": ("mg/m^3", "ppm", "Bq/m^3"),
    "seepage": ("l/s",),
}
"""By quantity, units that it may be in; others of the same kind are as good."""

_registry: pint.UnitRegistry[float] = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


class UnitError(ValueError):
    """A unit that is not known, or not one of what is measured; the text is for people."""


class Conversion:
    """From one unit to another: ``value * scale + offset``.

    Parameters
    ----------
    scale, offset
        Both are 0 and 1 apart from what is measured: of cm to m, 0.01 and 0.
    """

    __slots__ = ("_offset", "_scale")

    def __init__(self, scale: float, offset: float) -> None:
        self._scale = scale
        self._offset = offset

    def __call__(self, value: float) -> float:
        """Convert a value."""
        return value * self._scale + self._offset


@lru_cache(maxsize=4096)
def conversion(unit: str, to: str) -> Conversion:
    """Find how a unit becomes another.

    Parameters
    ----------
    unit, to
        As pint writes them: ``m``, ``cm``, ``degC``, ``m^3/s``, ``uSv/h``.

    Raises
    ------
    UnitError
        If one of them is not known, or they do not measure the same. Gray, what matter absorbs,
        is not sievert, what it does to people: the factor hangs on the radiation.
    """
    here, there = _parsed(unit), _parsed(to)
    if here == there:
        return Conversion(1.0, 0.0)
    if {_dose(here), _dose(there)} == {"absorbed", "equivalent"}:
        raise UnitError(f"{unit} and {to}: an absorbed dose is not an equivalent dose")
    try:
        zero, one, ten = (_registry.Quantity(v, here).to(there).magnitude for v in (0.0, 1.0, 10.0))
    except pint.PintError as error:
        raise UnitError(f"{unit} cannot be converted to {to}") from error
    if zero == 0.0:
        return Conversion(_rounded(one), 0.0)
    if not math.isclose(ten - zero, 10 * (one - zero), rel_tol=1e-9):
        raise UnitError(f"{unit} is not proportional to {to}")
    return Conversion(_rounded((ten - zero) / 10), _rounded(zero))


def measures(unit: str, quantity: str) -> bool:
    """Whether a unit is one of a quantity (`ingest.sensors.Quantity`).

    Raises
    ------
    UnitError
        If the unit is not known.
    """
    parsed = _parsed(unit)
    kinds = (_parsed(example).dimensionality for example in EXAMPLES[quantity])
    return parsed.dimensionality in kinds


def _dose(unit: pint.Unit) -> str:
    """Tell which dose a unit is of; empty for none."""
    name = str(unit)
    if any(part in name for part in _ABSORBED):
        return "absorbed"
    return "equivalent" if any(part in name for part in _EQUIVALENT) else ""


def _rounded(number: float) -> float:
    """Round to 14 digits: pint makes 999.9999999999999 l of a cubic metre, just below 1000."""
    return float(f"{number:.14g}")


def _parsed(unit: str) -> pint.Unit:
    # What pint reads may be arithmetic; only units with powers of one digit are handed to it.
    if len(unit) > _LONGEST or not _UNIT.fullmatch(unit):
        raise UnitError(f"{unit[:_LONGEST]!r} is not a unit")
    try:
        return _registry.parse_units(unit)
    except (pint.PintError, ValueError, TypeError, AttributeError) as error:
        raise UnitError(f"{unit!r} is not a unit that is known") from error
