"""Samples to picks to events."""
