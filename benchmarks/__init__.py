"""Measurements, and the recording that may be committed."""
