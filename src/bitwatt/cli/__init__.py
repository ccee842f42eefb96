"""The command line: one thin file a verb. Nothing heavy is imported before a verb needs it."""

from bitwatt.cli.app import main

__all__ = ["main"]
