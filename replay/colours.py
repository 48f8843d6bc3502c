"""Colours that people with any colour vision tell apart.

Okabe M. and Ito K. (2008), Color Universal Design; the map of lead times is matplotlib's
viridis, whose lightness grows evenly.
"""

__all__ = [
    "ALERT",
    "GREY",
    "INK",
    "LEAD_TIMES",
    "LIMIT",
    "PALE",
    "P_WAVE",
    "SOURCE",
    "S_WAVE",
    "TRACE",
    "UPDATE",
]

INK = "#222222"
GREY = "#8a8a8a"
TRACE = "#4d4d4d"
PALE = "#d9d9d9"
P_WAVE = "#0072B2"
S_WAVE = "#D55E00"
SOURCE = "#CC3377"
ALERT = "#111111"
UPDATE = "#8a8a8a"
LIMIT = "#c4c4c4"
LEAD_TIMES = "viridis"
