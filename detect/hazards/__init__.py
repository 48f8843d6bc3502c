"""Hazards other than earthquakes: what sensors say, and what seismic stations say of flows."""
