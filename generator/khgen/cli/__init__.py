"""The command line, by these rules:

- all errors of the input go to standard error at once, and nothing is written;
- results go to standard output, so that a pipeline can take them;
- khgen asks only before what cannot be undone (`secrets refound`, `secrets seal`), and a flag answers
  that question too; no key is ever shown;
- every end has an exit code: `khgen.cli.outcome.Exit` lists them, and docs/commands.md for users;
- a command that a signal ends removes what it began.
"""

import sys
from contextlib import suppress

import click

from khgen import __version__
from khgen.cli.commands import (
    diff,
    export,
    image,
    init,
    rehearse,
    render,
    schema,
    seed,
    show,
    status,
    upgrade,
)
from khgen.cli.identity_commands import certs, node, secrets
from khgen.cli.outcome import (
    EndedError,
    Exit,
    Run,
    closed_pipe_ends,
    ending_in_order,
    exit_code,
    forget_unread_output,
    print_any_text,
    report_defect,
    report_os_error,
    run_of,
)
from khgen.disk.system_calls import ENDING


class _Group(click.Group):
    """The commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        del ctx
        return list(self.commands)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """The context of a run; click itself ends with 1 when a pipe is closed."""
        with closed_pipe_ends():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with closed_pipe_ends():
            return super().invoke(ctx)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="khgen")
@click.option("--debug", is_flag=True, help="Show the traceback of a defect in khgen.")
def cli(*, debug: bool) -> None:
    """Turn one cluster.yaml into everything that a kubeadm cluster needs.

    Start with `khgen init`, then `khgen render cluster.yaml -o out/`.
    """
    del debug


for command in (
    init,
    schema,
    diff,
    render,
    show,
    seed,
    export,
    image,
    rehearse,
    upgrade,
    status,
    node,
    certs,
    secrets,
):
    # In the order of a cluster's life.
    cli.add_command(command)


def main() -> None:
    """Run the command line; every end has one of the exit codes."""
    print_any_text()
    try:
        with closed_pipe_ends():
            _run(run_of(sys.argv[1:]))
    except EndedError as ended:
        if ended.number in ENDING:
            with suppress(OSError):
                click.echo("khgen: interrupted", err=True)
        sys.exit(exit_code(ended.number))
    finally:
        forget_unread_output()


def _run(run: Run) -> None:
    try:
        with ending_in_order():
            sys.exit(cli(obj=run, standalone_mode=False))
    except click.ClickException as error:
        run.fail_usage(error)
    except click.Abort:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        raise
    except OSError as error:
        report_os_error(run, error)
    except Exception as error:  # noqa: BLE001 - the last resort: a defect of khgen
        report_defect(run, error, show="--debug" in sys.argv)
