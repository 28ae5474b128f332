"""Shared by all processes: bus, process runtime and settings. Imports no torch."""
