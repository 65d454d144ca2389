"""The command line: `sluice`."""

from infra.cli.app import main

__all__ = ["main"]
