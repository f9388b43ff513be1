"""What a check is: a function over the model, and the values that it reads."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from khgen.problems import Finding, ValuePath
from khgen.spec.model import ClusterSpec

EVERY = "*"
"""Stands for each entry of a list."""
NODES = ("nodes",)
ROLES = ("nodes", EVERY, "role")
"""For checks that count nodes by their roles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A rule across fields."""

    find: Callable[[ClusterSpec], Iterator[Finding]]
    reads: tuple[ValuePath, ...] = ()
    """It does not run if the file has a fault in one of these: values with a fault are missing in
    the model. A check that only judges what is there needs no entry."""
    of_nodes: tuple[str, ...] = ()
    """Fields of each node that it reads; nodes with a fault in one of these are left out."""

    def applies(self, broken: frozenset[ValuePath]) -> bool:
        """Whether all that it reads of the whole cluster is sound."""
        if self.of_nodes and any(len(path) < 2 and _overlap(NODES, path) for path in broken):
            return False
        return not any(_overlap(read, path) for read in self.reads for path in broken)

    def left_out(self, broken: frozenset[ValuePath]) -> frozenset[int]:
        """The places in the list of the nodes that it cannot judge."""
        return frozenset(
            path[1]
            for field in self.of_nodes
            for path in broken
            if len(path) > 1 and isinstance(path[1], int) and _overlap((*NODES, EVERY, field), path)
        )


def _overlap(one: ValuePath, other: ValuePath) -> bool:
    """Whether one is the other, or a part of it."""
    return all(a == b or EVERY in {a, b} for a, b in zip(one, other, strict=False))
