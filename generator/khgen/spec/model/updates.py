"""How machines that run get the files of a later render, and in which order they use them."""

from enum import StrEnum

from pydantic import Field

from khgen.spec.model.texts import ClockTime
from khgen.spec.model.values import Duration, SpecModel, WholeNumber


class Day(StrEnum):
    """A day of the week."""

    MON = "Mon"
    TUE = "Tue"
    WED = "Wed"
    THU = "Thu"
    FRI = "Fri"
    SAT = "Sat"
    SUN = "Sun"


class UpdateWindow(SpecModel):
    """When nodes may begin an update; all times are UTC."""

    days: tuple[Day, ...] = Field(
        tuple(Day), min_length=1, description="Days on which the window opens: Mon to Sun"
    )
    start: ClockTime = Field(description="When it opens, like 22:00")
    length: Duration = Field(description="How long it is open, at most 24h")


class UpdatesSpec(SpecModel):
    """Updates of machines that run: how they get them, and how many at a time use them."""

    pull: bool = Field(
        True, description="Nodes ask the API every minute for their update (out/update.yaml)"
    )
    paused: bool = Field(False, description="No further node begins an update")
    max_unavailable: WholeNumber = Field(
        1, ge=1, le=1000, description="So many workers may be updated at the same time"
    )
    drain_timeout: Duration = Field(
        "5m",
        validate_default=True,
        description="How long pods may take to leave a node before its update fails",
    )
    window: UpdateWindow | None = Field(
        None, description="When nodes may begin an update; default: at any time"
    )
