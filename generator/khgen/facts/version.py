"""Versions: one type for those of Kubernetes, etcd, containerd, Packer and QEMU."""

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Self


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A version by its numbers, like 1.29.6 or 4.2; versions compare number by number."""

    numbers: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The version that a text like 1.29.6, v3.5 or 2.x names; ValueError otherwise."""
        if not re.fullmatch(r"v?[0-9]{1,9}(\.([0-9]{1,9}|x))*", text, re.ASCII):
            message = f"'{text}' is not a version like 1.29.6"
            raise ValueError(message)
        return cls(_numbers(text.partition(".x")[0]))

    @classmethod
    def leading(cls, text: str) -> Self | None:
        """The version that a text begins with, like 3.5 in 3.5-dev; None where there is none."""
        match = re.match(r"v?[0-9]{1,9}(\.[0-9]{1,9})+", text, re.ASCII)
        return None if match is None else cls(_numbers(match[0]))

    @property
    def major(self) -> int:
        """The first number."""
        return self.numbers[0]

    @property
    def minor_number(self) -> int:
        """The second number."""
        return self.numbers[1]

    @property
    def minor(self) -> str:
        """Major and minor, like 1.29."""
        return f"{self.major}.{self.minor_number}"

    def __str__(self) -> str:
        """Like 1.29.6."""
        return ".".join(map(str, self.numbers))

    def __lt__(self, other: "Version") -> bool:
        """Whether it is older."""
        return self.numbers < other.numbers


class KubernetesVersion(Version):
    """A released version of Kubernetes: always three numbers, like 1.29.6."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The version that a text like 1.29.6 or v1.29.6 names; ValueError otherwise."""
        if not re.fullmatch(r"v?([0-9]{1,3}\.){2}[0-9]{1,3}", text, re.ASCII):
            message = f"'{text}' is not a Kubernetes version like 1.29.6"
            raise ValueError(message)
        return cls(_numbers(text))

    @property
    def patch(self) -> int:
        """The third number."""
        return self.numbers[2]

    @property
    def tag(self) -> str:
        """The version as image tags and kubeadm write it, like v1.29.6."""
        return f"v{self}"


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.removeprefix("v").split("."))
