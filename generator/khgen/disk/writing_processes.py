"""The processes that write nodes: they hold nothing of their parent's, and end with it."""

import ctypes
import errno
import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait

from khgen.disk.ending_signals import take_signals
from khgen.disk.manifest import NodeEntry
from khgen.disk.node_writer import NodeWriter
from khgen.plan.cluster_plan import NodePlan

SIGNALS_TAKEN_EVERY = 0.1
WRITER_DIED = "a process that wrote nodes was killed, by a signal or for lack of memory: try again"
_PR_SET_PDEATHSIG = 1


class WriterDiedError(OSError):
    """A process that wrote nodes ended before it was done, by a signal or for lack of memory."""


def written_in_parallel(
    writer: NodeWriter, nodes: Sequence[NodePlan], processors: int
) -> Generator[dict[str, NodeEntry], None, None]:
    """Write the nodes, each process a share of them; yields manifest entries as they get done."""
    context = multiprocessing.get_context("fork")
    gc.freeze()  # The children need not look through what was there before them.
    processes = []
    channels: list[Connection] = []
    try:
        for number in range(processors):
            receiver, sender = context.Pipe(duplex=False)
            channels.append(receiver)
            batches = writer.batches(nodes[number::processors])
            share = (os.getpid(), tuple(channels), batches, sender)
            process = context.Process(target=_work, args=share)
            process.start()
            processes.append(process)
            sender.close()
        yield from _received(channels)
    finally:
        # Nobody may still write when the staging folder is swapped in or cleared away.
        for process in processes:
            process.kill()
            process.join()


def _work(
    parent: int,
    receivers: Sequence[Connection],
    batches: Iterator[dict[str, NodeEntry]],
    sender: Connection,
) -> None:
    """One process's share; signals that end a program are held back, for the parent to answer."""
    _end_with(parent)
    # A copy of a read end here would keep the writers from seeing that their parent is gone.
    for receiver in receivers:
        receiver.close()
    try:
        for entries in batches:
            sender.send(entries)
        sender.send(None)
    except BrokenPipeError:
        return
    except Exception as error:  # noqa: BLE001 - handed to the parent, which raises it
        sender.send(error)


def _end_with(parent: int) -> None:
    """End this process at once when its parent does, prctl(2).

    Systems without that end it at its next batch of nodes, by the pipe that nobody reads (EPIPE).
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It ended before prctl was called.
        os._exit(1)


def _received(channels: list[Connection]) -> Iterator[dict[str, NodeEntry]]:
    open_channels = list(channels)
    while open_channels:
        for channel in wait(open_channels, SIGNALS_TAKEN_EVERY):
            assert isinstance(channel, Connection)  # noqa: S101 - only pipes were put in
            try:
                message = channel.recv()
            except (EOFError, OSError):
                raise WriterDiedError(errno.ECHILD, WRITER_DIED) from None
            if message is None:
                open_channels.remove(channel)
            elif isinstance(message, BaseException):
                raise message
            else:
                yield message
        take_signals()
