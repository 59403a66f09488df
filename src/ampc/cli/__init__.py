"""The command line: ``ampc VERB ...``; options are made from the settings dataclasses."""

from ampc.cli.main import main

__all__ = ["main"]
