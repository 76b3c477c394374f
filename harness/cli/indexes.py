"""`harness indexes`: which indexes queries use, lack, and leave unused."""

from __future__ import annotations

import click

from harness.cli import indexes_list, indexes_suggest, indexes_unused


@click.group("indexes")
def command() -> None:
    """Which indexes queries use, lack, and leave unused: by what the last run's checks asked."""


command.add_command(indexes_list.command)
command.add_command(indexes_suggest.command)
command.add_command(indexes_unused.command)
