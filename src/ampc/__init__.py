"""Approximate model predictive control: from a slow expert to a fast, measured, exported policy."""

__version__ = "0.1.0"
