"""The command line. It talks to the user by these rules:

- what is wrong with the input goes to standard error, all of it at once, and nothing is written;
- results go to standard output, so that a pipeline can take them;
- no question is ever asked, but for what cannot be undone (`secrets refound`, `secrets seal`), and a
  flag answers that one too; no key is ever shown;
- every end has its exit code: `khgen.cli.outcome.Exit` in the code, docs/commands.md for users;
- a command that a signal ends clears what it began.
"""

import sys
from contextlib import suppress
from importlib import import_module

import click

from khgen import __version__
from khgen.cli.ending import (
    EndedError,
    closed_pipe_ends,
    ending_in_order,
    exit_code,
    forget_unread_output,
)
from khgen.cli.outcome import (
    Exit,
    Run,
    print_any_text,
    report_defect,
    report_os_error,
    run_of,
)
from khgen.disk.ending_signals import ENDING

COMMANDS = {
    "init": "khgen.cli.start:init",
    "schema": "khgen.cli.start:schema",
    "diff": "khgen.cli.diff:diff",
    "render": "khgen.cli.render:render",
    "show": "khgen.cli.show:show",
    "seed": "khgen.cli.seed:seed",
    "export": "khgen.cli.export:export",
    "image": "khgen.cli.image:image",
    "rehearse": "khgen.cli.rehearse:rehearse",
    "node": "khgen.cli.node:node",
    "certs": "khgen.cli.certs:certs",
    "secrets": "khgen.cli.secrets:secrets",
}
"""Each command and where it is; a module is imported when its command is asked for."""


class _LazyGroup(click.Group):
    """Commands that are imported when they are needed, so that `khgen --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of a cluster's life."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """The context of a run; click itself would take a closed pipe for exit code 1."""
        with closed_pipe_ends():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with closed_pipe_ends():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with; the error for another names a close one."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="khgen")
@click.option("--debug", is_flag=True, help="Show the traceback of a defect in khgen.")
def cli(*, debug: bool) -> None:
    """One cluster.yaml becomes everything a highly available kubeadm cluster needs.

    Start with `khgen init`, then `khgen render cluster.yaml -o out/`.
    """
    del debug


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
    except Exception as error:  # noqa: BLE001 - the last resort: a defect of ours, said so
        report_defect(run, error, show="--debug" in sys.argv)
