"""How every verb ends: a result and 0, or a sentence, the way out and an exit code."""

from __future__ import annotations

import errno
from typing import Any

import click

from hfinv import console
from hfinv.errors import HfinvError

EXIT_CODES = """\b
Exit codes:
  0    done
  1    failed
  2    the command or a setting was typed wrong
  3    the photo cannot be used
  4    weights are missing or refused
  5    some of a batch failed
  130  interrupted

\b
Results go to stdout, everything else to stderr."""
INTERRUPTED = 130


class Verbs(click.Group):
    """Verbs whose failures are printed here, once, and become the exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            console.note(
                "\ninterrupted; what is finished is kept, the same command goes on from there"
            )
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:  # whoever read our stdout has gone; click ends quietly
            raise
        except Exception as error:
            failure = understood(error)
            as_json, debug = (bool(ctx.meta.get(f"hfinv.{name}")) for name in ("as_json", "debug"))
            if debug and failure is not error:
                failure.__cause__ = error
            console.fail(failure, as_json, debug)
            ctx.exit(failure.exit_code)


def understood(error: Exception) -> HfinvError:
    """Any failure as a sentence and a way out."""
    if isinstance(error, HfinvError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HfinvError("the disk is full", "free some space, then run the same command again")
    if isinstance(error, PermissionError):
        return HfinvError(f"`{error.filename}` may not be read or written", "check its permissions")
    if isinstance(error, (MemoryError, RuntimeError)):
        from hfinv.device import out_of_memory

        short = out_of_memory(error)
        if short is not None:
            return short
    first = (str(error).splitlines() or [""])[0]
    return HfinvError(
        f"{type(error).__name__}: {first}",
        "this is a bug; run it again with `--debug` and report it",
    )
