"""Policies that learn by driving, as cells; a module for each algorithm.

A cell depends on the code of its own algorithm alone: who changes GAIL does not have to run SAC again.
"""
