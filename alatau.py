"""Alatau: the command line, and the pipeline for whoever imports it.

::

    waveforms -> detect -> detections -> locate -> events -> dispatch -> alerts
    observations -> hazards -> events      (what sensors say of floods, mudflows, dams, slopes)

Every stage is a fold over a partition of the topic that it reads. The log between them is in the
process, or it is Kafka; a stage cannot tell which. `commands.wiring` says which stage is wired to
which topic.
"""

import sys

import typer

from commands import (
    brokers,
    configuration,
    deliveries,
    ledgers,
    live,
    planning,
    policies,
    recordings,
    releases,
    sensors,
    stations,
)
from commands.terminal import USAGE_ERROR, complaints
from commands.wiring import Configuration, pipeline
from stream.errors import AlatauError

__all__ = ["Configuration", "main", "pipeline"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Early warning: seismic streams and other sensors in, warnings (CAP 1.2) out.",
)
for command in (
    recordings.replay,
    recordings.score,
    recordings.calibrate,
    planning.scenario,
    planning.plan,
    live.run,
    live.ingest,
    live.detect,
    live.locate,
    live.hazards,
    live.dispatch,
    deliveries.deliver,
):
    app.command()(command)
app.add_typer(brokers.app, name="topics")
app.add_typer(ledgers.app, name="ledger")
app.add_typer(policies.app, name="policy")
app.add_typer(releases.app, name="release")
app.add_typer(stations.app, name="stations")
app.add_typer(sensors.app, name="sensors")
app.add_typer(configuration.app, name="config")


def main() -> None:
    """Run the command line; errors made for people are printed without a traceback."""
    try:
        app()
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        sys.exit(USAGE_ERROR)


if __name__ == "__main__":
    main()
