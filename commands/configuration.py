"""Commands about the configuration."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from commands.sensors import name_mute
from commands.terminal import terminal
from commands.wiring import Configuration, folder
from detect.hazards import files as hazard_files
from stream import settings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Show or check a configuration.")


@app.command("show")
def config_show() -> None:
    """Print the reference configuration: every setting, what it means, and its default."""
    sys.stdout.write(settings.reference(Configuration))


@app.command("check")
def config_check(
    file: Annotated[Path, typer.Argument(help="The configuration to check.")],
) -> None:
    """Check a configuration and the files of hazards that it names.

    Exit code: 0 if it can be used, else 2 and the line that is wrong.
    """
    configuration = settings.load(file, Configuration)
    name_mute(hazard_files.load(configuration.detect.hazards, folder(file)).mute)
    terminal.print(f"{file} can be used.", markup=False)
