"""Polygons of where an earthquake is expected to shake at least so hard, by country.

A polygon of a warning may hold too much, never too little: whoever is outside it is not told.
So every step only adds. The field is sampled on a grid; each cell of which a corner reaches
the level is in as a whole; the outline is simplified outwards; and it is cut along a line
that `dispatch.geography.cover` has drawn outside the border. Holes are filled, for CAP knows
none.

Points are (latitude, longitude) in degrees with four decimals (11 m), first and last the same,
anticlockwise seen from above, as RFC 7946 (GeoJSON) wants an outer ring; CAP 1.2 asks for no
direction.
"""

import math
from collections.abc import Callable, Sequence
from typing import cast

import contourpy
import numpy as np
import shapely
from msgspec import Struct
from numpy.typing import NDArray
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from dispatch.geography import cover
from stream.errors import AlatauError

__all__ = [
    "MAX_POINTS",
    "Field",
    "Isoseismal",
    "Ring",
    "UnmappableError",
    "cut",
    "isoseismals",
]

_Floats = NDArray[np.float64]

Field = Callable[[_Floats, _Floats], _Floats]
"""Intensity at latitudes and longitudes, all three of shape (n,)."""

Ring = tuple[tuple[float, float], ...]
"""Points of a polygon as (latitude, longitude)."""

MAX_POINTS = 100
"""All points of one area, its polygons together."""

_NODES = 61
_DECIMALS = 4
_STEP = 10.0**-_DECIMALS
_FILLED = 0.7
"""A grid is fine enough when what is inside fills so much of its width."""

_GROWN_CELLS = 0.3
_PLACE_DEGREES = 0.01
_BESIDE = 0.1
_MERGED = 20  # points that rounding may bring together, and far more than it does
_KM_PER_DEGREE = 111.0  # a little under the sphere's 111.19: the box is never too small
_BELOW = 1e-6  # for what is just at the level, on which a contour would run
_MAX_LATITUDE = 85.0


class UnmappableError(AlatauError):
    """An area that cannot be drawn in latitude and longitude: over a pole or the date line."""


class Isoseismal(Struct, frozen=True):
    """Where the intensity is at least `level`.

    Attributes
    ----------
    level
        MSK-64 intensity.
    shape
        A shapely geometry in degrees, x the longitude.
    """

    level: float
    shape: BaseGeometry


def isoseismals(
    field: Field,
    levels: Sequence[float],
    latitude: Sequence[float],
    longitude: Sequence[float],
    reach_km: float,
) -> tuple[Isoseismal, ...]:
    """Draw the polygon of each level.

    Parameters
    ----------
    field
        The intensity. It is asked on grids of 61 by 61 points, some times for each level.
    levels
        Intensities, growing.
    latitude, longitude
        Where the field peaks: the epicentre, points of a rupture, stations that shake. What
        lies between them may be of any form, but a peak of its own that is smaller than a
        cell (a fortieth of what is shaken) must be among them.
    reach_km
        Farther from them nobody is told.

    Returns
    -------
    tuple
        One for each level that is reached anywhere, in their order. Each holds every point of
        the level within the reach and, for a smooth field, at most 4 % of the width more on
        each side.

    Raises
    ------
    UnmappableError
        If the reach goes over the date line or beyond 85 degrees of latitude.
    ValueError
        If there is no peak, or the levels do not grow.
    """
    if not latitude or list(levels) != sorted(levels):
        raise ValueError("isoseismals need a peak, and levels that grow")
    x, y = np.array(longitude, np.float64), np.array(latitude, np.float64)
    at_peaks = field(y, x)
    grid = _Grid.over(field, _reach(x, y, reach_km))
    found = []
    for level in levels:
        high = at_peaks >= level
        narrowed = grid.narrowed(field, level, x[high], y[high])
        if narrowed is None:
            break
        grid = narrowed
        shape = _outline(grid, level, x[high], y[high], at_peaks[high])
        found.append(Isoseismal(level, shape))
    return tuple(found)


_Box = tuple[float, float, float, float]


def _reach(x: _Floats, y: _Floats, reach_km: float) -> _Box:
    """West, south, east and north of the box that holds the reach."""
    high = reach_km / _KM_PER_DEGREE
    south, north = float(y.min()) - high, float(y.max()) + high
    farthest = max(abs(south), abs(north))
    if farthest > _MAX_LATITUDE:
        raise UnmappableError(
            f"an area that reaches {farthest:.1f} degrees of latitude is not drawn: "
            f"{_MAX_LATITUDE:.0f} is the last"
        )
    # The meridians through a circle on the sphere: sin(dlon) = sin(r) / cos(lat).
    angle = math.radians(min(high, 89.0))
    edge = math.cos(math.radians(float(np.abs(y).max())))
    wide = math.degrees(math.asin(min(math.sin(angle) / edge, 1.0)))
    west, east = float(x.min()) - wide, float(x.max()) + wide
    if west < -180.0 or east > 180.0:
        raise UnmappableError(
            f"an area from {west:.1f} to {east:.1f} degrees of longitude is not drawn: it "
            "crosses the date line"
        )
    return west, south, east, north


class _Grid(Struct, frozen=True):
    """The field on a grid over a box, from west to east along the rows, from south to north."""

    box: _Box
    values: _Floats

    @classmethod
    def over(cls, field: Field, box: _Box) -> "_Grid":
        west, south, east, north = box
        x, y = np.linspace(west, east, _NODES), np.linspace(south, north, _NODES)
        values = field(np.repeat(y, _NODES), np.tile(x, _NODES))
        return cls(box, values.reshape(_NODES, _NODES))

    @property
    def step(self) -> tuple[float, float]:
        """Degrees of longitude and of latitude between two nodes."""
        west, south, east, north = self.box
        return (east - west) / (_NODES - 1), (north - south) / (_NODES - 1)

    def narrowed(self, field: Field, level: float, x: _Floats, y: _Floats) -> "_Grid | None":
        """Take a grid that what is inside fills well, this one if it does; None if nothing is.

        Two cells are left round what is inside, of which the grid shows the outline only to
        a cell.
        """
        west, south, east, north = self.box
        dx, dy = self.step
        inside = self.values >= level
        columns = np.flatnonzero(inside.any(axis=0))
        rows = np.flatnonzero(inside.any(axis=1))
        reached_x = np.concatenate((west + columns * dx, x))
        reached_y = np.concatenate((south + rows * dy, y))
        if reached_x.size == 0:
            return None
        box = (
            max(west, float(reached_x.min()) - 2 * dx),
            max(south, float(reached_y.min()) - 2 * dy),
            min(east, float(reached_x.max()) + 2 * dx),
            min(north, float(reached_y.max()) + 2 * dy),
        )
        filled = max((box[2] - box[0]) / (east - west), (box[3] - box[1]) / (north - south))
        if filled > _FILLED or dy < _STEP:
            return self
        return _Grid.over(field, box).narrowed(field, level, x, y)


def _outline(grid: _Grid, level: float, x: _Floats, y: _Floats, at_peaks: _Floats) -> BaseGeometry:
    """Outline all cells with a corner inside or a peak within.

    Each node is given the highest value about it. So all corners of a cell of which one was
    inside are inside, and the contour, which lies between nodes inside and outside, holds it.
    """
    west, south, _, _ = grid.box
    dx, dy = grid.step
    high = np.pad(grid.values, 2, constant_values=level - 100.0)
    for axis in (0, 1):
        high = np.maximum(high, np.maximum(np.roll(high, 1, axis), np.roll(high, -1, axis)))
    for row, column, value in zip((y - south) / dy, (x - west) / dx, at_peaks, strict=True):
        i, j = int(row) + 2, int(column) + 2
        high[i : i + 2, j : j + 2] = np.maximum(high[i : i + 2, j : j + 2], value)
    y_node, x_node = np.mgrid[0.0 : high.shape[0], 0.0 : high.shape[1]]
    # `contourpy.contour_generator` makes the same, after looking for masked points.
    generator = contourpy.SerialContourGenerator(
        x_node,
        y_node,
        high,
        np.zeros(high.shape, np.bool_),
        corner_mask=True,
        line_type=contourpy.LineType.Separate,
        fill_type=contourpy.FillType.OuterOffset,
        quad_as_tri=False,
        z_interp=contourpy.ZInterp.Linear,
    )
    drawn = cast(
        tuple[list[_Floats], list[NDArray[np.uint32]]], generator.filled(level - _BELOW, np.inf)
    )
    shells = [Polygon(ring[: ends[1]] - 2.0) for ring, ends in zip(*drawn, strict=True)]
    # Growing puts on again what simplifying may have taken off. The quick way of simplifying,
    # seven times as fast, may cross itself.
    plain = shapely.simplify(shells, 0.9 * _GROWN_CELLS, preserve_topology=False)
    if not shapely.is_valid(plain).all() or shapely.is_empty(plain).any():
        plain = shapely.simplify(shells, 0.9 * _GROWN_CELLS)
    grown = shapely.buffer(plain, _GROWN_CELLS, join_style="mitre")
    outline = _filled(shapely.union_all(grown))
    return shapely.transform(outline, lambda p: p * (dx, dy) + (west, south))


def _filled(shape: BaseGeometry) -> BaseGeometry:
    """Without its holes."""
    shells = [Polygon(p.exterior) for p in shapely.get_parts(shape) if p.geom_type == "Polygon"]
    return shapely.union_all(shells)


def cut(
    shape: BaseGeometry,
    country: str,
    tolerance_km: float,
    latitude: Sequence[float] = (),
    longitude: Sequence[float] = (),
    max_points: int = MAX_POINTS,
) -> tuple[Ring, ...]:
    """Cut out what is in a country, or within a tolerance of it, with few points.

    Parameters
    ----------
    shape
        Of an `Isoseismal`.
    country
        ISO 3166-1 code.
    tolerance_km
        How far over the border it goes at least.
    latitude, longitude
        Places that are told: each is in the result, wherever the border is drawn.
    max_points
        Of all polygons together, at least 5.

    Returns
    -------
    tuple
        Polygons, the largest first; none if the shape does not reach the country and no
        place is given.

    Raises
    ------
    UnmappableError
        If the polygons of the country are not known.
    """
    covers = cover(country, tolerance_km)
    if not covers:
        raise UnmappableError(f"the borders of {country} are not known")
    told = shapely.points(longitude, latitude)
    bounds = shapely.bounds(shape) + np.array((-_BESIDE, -_BESIDE, _BESIDE, _BESIDE))
    for line in covers:
        # The part of a border that is near is cut twice as quickly as all of it.
        near = line if shapely.is_empty(shape) else shapely.clip_by_rect(line, *bounds.tolist())
        raw = _filled(shapely.intersection(shape, near))
        if shapely.get_num_coordinates(raw) > max_points + _MERGED and line is not covers[-1]:
            continue
        piece = _on_grid(raw, told)
        if shapely.get_num_coordinates(piece) <= max_points:
            break
    else:
        piece = _on_grid(shapely.convex_hull(piece), told)
        if shapely.get_num_coordinates(piece) > max_points:
            piece = _on_grid(shapely.envelope(piece), told)
    parts = shapely.get_parts(shapely.orient_polygons(shapely.normalize(piece)))
    rings = (
        np.round(shapely.get_coordinates(part)[:, ::-1], _DECIMALS).tolist()
        for part in sorted(parts, key=lambda part: -part.area)
    )
    return tuple(tuple((latitude, longitude) for latitude, longitude in ring) for ring in rings)


def _rounded(shape: BaseGeometry) -> BaseGeometry:
    """Round to the grid of decimals; point by point, 40 times as fast, where that holds."""
    quick = shapely.set_precision(shape, _STEP, mode="pointwise")
    if not shapely.is_valid(quick):  # a sliver may have become a line, or a point
        return shapely.set_precision(shape, _STEP)
    return shapely.remove_repeated_points(quick)


def _on_grid(shape: BaseGeometry, told: NDArray[np.object_]) -> BaseGeometry:
    """Round to the grid of decimals, with whatever place that has been left out."""
    rounded = _filled(_rounded(shape))
    shapely.prepare(rounded)
    if len(told) == 0 or (out := told[~shapely.contains_properly(rounded, told)]).size == 0:
        return rounded
    squares = shapely.buffer(out, _PLACE_DEGREES, cap_style="square")
    return _filled(shapely.union_all([rounded, *squares], grid_size=_STEP))
