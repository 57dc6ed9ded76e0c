"""`opsctl`: arguments → one verb → exit code. Whatever goes wrong is one line on stderr, never a traceback."""

from __future__ import annotations

import sys
from types import TracebackType

import click

from host import __version__
from server.ctl import (
    alerts,
    audit,
    commands,
    files,
    groups,
    interrupt,
    nodes,
    orders,
    overview,
    quarantine,
    receivers,
    retirement,
    rules,
    run,
    sign,
    tasks,
    timeline,
    waiting,
    windows,
)
from server.ctl.problems import INTERRUPTED, Problem, Usage
from server.ctl.show import clean


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="opsctl", message="%(prog)s %(version)s")
def cli() -> None:
    """Look after machines from a terminal or a script.

    Exit codes: 0 done, 1 failed, 2 wrong use, 3 partly done, 4 not allowed, 5 the manager cannot be reached.
    """


for _verb in (
    sign.login,
    sign.logout,
    overview.overview,
    overview.log,
    nodes.nodes,
    nodes.node,
    nodes.enrol_token,
    groups.groups,
    groups.tag,
    groups.field,
    groups.note,
    windows.windows,
    waiting.waiting,
    waiting.approve,
    waiting.reject,
    waiting.restore,
    waiting.delete_node,
    quarantine.machines,
    quarantine.split,
    quarantine.merge,
    run.run,
    tasks.task,
    tasks.kinds,
    commands.commands,
    commands.output,
    commands.cancel,
    files.files,
    orders.agent,
    orders.collect,
    orders.log_level,
    orders.config,
    orders.diagnose,
    alerts.alerts,
    rules.rules,
    receivers.receivers,
    receivers.deliveries,
    audit.audit,
):
    cli.add_command(_verb)

for _part in (timeline.timeline, retirement.retire, retirement.restore):
    nodes.nodes.add_command(_part)


def main(arguments: list[str] | None = None) -> int:
    """The exit code, see problems.py."""
    sys.excepthook = _unforeseen
    for stream in (sys.stdout, sys.stderr):
        # A name that this terminal's encoding lacks must not end the program.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        _check_text(sys.argv[1:] if arguments is None else arguments)
        with interrupt.ends():
            code = cli.main(arguments, prog_name="opsctl", standalone_mode=False)
    except Problem as problem:
        print(f"opsctl: {clean(str(problem))}", file=sys.stderr)
        return problem.exit_code
    except click.exceptions.NoArgsIsHelpError as problem:
        problem.show()
        return 2
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code if isinstance(problem, click.UsageError) else 1
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _check_text(arguments: list[str]) -> None:
    """Bytes that are no text could not be sent as JSON."""
    for argument in arguments:
        if any("\ud800" <= c <= "\udfff" for c in argument):
            raise Usage(f"{argument!r}: not UTF-8 text")


def _unforeseen(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
    print(f"opsctl: failed unexpectedly ({kind.__name__}: {clean(str(problem))}); please report this", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
