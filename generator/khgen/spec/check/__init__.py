"""Rules across fields: a check is a function over the model, and the paths that it reads."""

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
    """The check does not run if one of these values has a fault: it is missing in the model. A check
    whose findings are right without the missing values needs no entry."""
    of_nodes: tuple[str, ...] = ()
    """The fields of each node that it reads; a node with a fault in one of these is skipped."""

    def applies(self, broken: frozenset[ValuePath]) -> bool:
        """Whether none of the values that it reads has a fault, apart from single nodes."""
        if self.of_nodes and any(len(path) < 2 and _overlap(NODES, path) for path in broken):
            return False
        return not any(_overlap(read, path) for read in self.reads for path in broken)

    def left_out(self, broken: frozenset[ValuePath]) -> frozenset[int]:
        """The indexes of the nodes that it skips."""
        return frozenset(
            path[1]
            for field in self.of_nodes
            for path in broken
            if len(path) > 1 and isinstance(path[1], int) and _overlap((*NODES, EVERY, field), path)
        )


def _overlap(one: ValuePath, other: ValuePath) -> bool:
    """Whether the paths are equal, or one is below the other."""
    return all(a == b or EVERY in {a, b} for a, b in zip(one, other, strict=False))
