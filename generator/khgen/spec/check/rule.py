"""What a check is: a function over the model, and the values that it reads."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from khgen.problems import Finding, ValuePath
from khgen.spec.model import ClusterSpec

NODES = ("nodes",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A rule across fields."""

    find: Callable[[ClusterSpec], Iterator[Finding]]
    reads: tuple[ValuePath, ...]
    """It does not run if the schema refused one of these."""
    counts_nodes: bool = False
    """It does not run if the schema refused any node."""

    def applies(self, broken: frozenset[ValuePath], *, all_nodes: bool) -> bool:
        """Whether all that it reads is sound."""
        if self.counts_nodes and not all_nodes:
            return False
        return not any(_overlap(read, path) for read in self.reads for path in broken)


def _overlap(one: ValuePath, other: ValuePath) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
