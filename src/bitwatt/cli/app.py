"""The command `bitwatt`: its verbs, and how an error becomes a sentence and an exit status."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer

import bitwatt
from bitwatt.cli import (
    characterize,
    cosim,
    cost,
    doctor,
    evaluate,
    export,
    formats,
    lower,
    report,
    rtl,
    search,
    study,
    tile,
    train,
)
from bitwatt.errors import BitwattError, RequestError

DONE, WORK_FAILED, REQUEST_WRONG = 0, 1, 2

app = typer.Typer(
    name="bitwatt",
    help="What each bit of a neural network costs: accuracy beside energy, power, area and memory.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    study,
    search,
    train,
    lower,
    evaluate,
    export,
    cost,
    tile,
    cosim,
    rtl,
    characterize,
    report,
    formats,
    doctor,
):
    verb.add_to(app)


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"bitwatt {bitwatt.__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """What each bit of a neural network costs: accuracy beside energy, power, area and memory.

    Exit status: 0 done, 1 the work failed, 2 the request was wrong. Results go to stdout, progress to stderr.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line, and exit with its status."""
    status = run(sys.argv[1:] if arguments is None else arguments)
    if status != DONE:
        # Taking torch down takes an interpreter a second or two, which is not to be waited for after Ctrl-C.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run the command line; its exit status: 0 done, 1 the work failed, 2 the request was wrong."""
    # Batch systems stop a job by SIGTERM: the same orderly end as by Ctrl-C.
    former = signal.signal(signal.SIGTERM, _interrupt)
    try:
        app(args=arguments, prog_name="bitwatt")
    except SystemExit as end:
        return _status(end.code)
    except KeyboardInterrupt:
        return _status(_INTERRUPTED)
    except (BitwattError, OSError) as error:
        if "--debug" in arguments:
            traceback.print_exc()
        sys.stderr.write(f"bitwatt: {error}\n")
        return REQUEST_WRONG if isinstance(error, RequestError) else WORK_FAILED
    finally:
        signal.signal(signal.SIGTERM, former)
    return DONE


_INTERRUPTED = 128 + signal.SIGINT


def _status(code: object) -> int:
    if code == _INTERRUPTED:
        sys.stderr.write("bitwatt: stopped\n")
        return WORK_FAILED
    return code if isinstance(code, int) else DONE if code is None else WORK_FAILED


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
