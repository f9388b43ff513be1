"""How a bake fails for a reason outside khgen."""


class BakeError(Exception):
    """An external program failed, or is not there or too old; with what the user can do."""

    def __init__(self, message: str, hint: str = "") -> None:
        """The message and the hint are what the user is told."""
        super().__init__(message)
        self.hint = hint


class BakeInterruptedError(BakeError):
    """A signal ended the bake; Packer has cleared up."""

    def __init__(self, number: int) -> None:
        """With the signal's number."""
        super().__init__("interrupted")
        self.number = number
