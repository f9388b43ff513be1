"""The value types of the schema: addresses, networks, durations, free-form mappings."""

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticKnownError

from khgen.problems import quoted
from khgen.yaml_reader import PlainNumber

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

DURATION_UNITS = {"y": 365 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
DURATION_PATTERN = r"([0-9]+[ydhms])+"


class SpecModel(BaseModel):
    """The base of every part of the schema: no unknown keys, frozen, camelCase."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=False,
        validate_by_alias=True,
        coerce_numbers_to_str=True,
        defer_build=True,
    )


Part = TypeVar("Part", bound=SpecModel)


def part(model: type[Part], description: str) -> Part:
    """A field whose default is a model with its defaults."""
    field: Part = Field(default_factory=model, description=description)
    return field


def whole_number(value: object) -> object:
    """The value, if it is an integer or its text; pydantic would also accept true, 1.0 and "1_0"."""
    fraction = isinstance(value, str) and not re.fullmatch("-?[0-9]+", value)
    if fraction or isinstance(value, bool | float):
        error: Literal["int_type"] = "int_type"
        raise PydanticKnownError(error)
    return value


def parse_address(value: object) -> IPAddress:
    """The address in a text like 192.168.10.11 or fd00::11."""
    if isinstance(value, IPv4Address | IPv6Address):
        return value
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        return ip_address(value)
    except ValueError:
        message = f"{quoted(value)} is not an IP address like 192.168.10.11 or fd00::11"
        raise ValueError(message) from None


def parse_duration(value: object) -> timedelta:
    """The duration in a text like 24h, 365d, 10y or 1h30m."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(DURATION_PATTERN, value):
        message = f"{quoted(value)} is not a duration like 30m, 24h, 365d or 10y"
        raise ValueError(message)
    parts = re.findall(r"([0-9]+)([ydhms])", value[:100])
    seconds = sum(int(number) * DURATION_UNITS[unit] for number, unit in parts)
    if seconds > 100 * DURATION_UNITS["y"]:
        message = f"{quoted(value)} is longer than 100y"
        raise ValueError(message)
    return timedelta(seconds=seconds)


def duration_text(value: timedelta) -> str:
    """The duration in the largest unit that divides it: 10y, 365d, 24h."""
    seconds = int(value.total_seconds())
    unit = next(u for u, size in DURATION_UNITS.items() if seconds % size == 0)
    return f"{seconds // DURATION_UNITS[unit]}{unit}"


def parse_network(value: object) -> IPNetwork:
    """The network of an address with a prefix length; host bits are cleared (the checks warn)."""
    try:
        if not isinstance(value, str) or not re.fullmatch(r"[^/%]+/[0-9]{1,3}", value.strip()):
            raise ValueError
        return ip_network(value.strip(), strict=False)
    except ValueError:
        message = f"{quoted(value)} is not a network like 10.244.0.0/16"
        raise ValueError(message) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkList:
    """One network, or one IPv4 and one IPv6 network, with the text as written."""

    text: str
    networks: tuple[IPNetwork, ...]

    @property
    def versions(self) -> tuple[int, ...]:
        """The families, in the order of the list."""
        return tuple(network.version for network in self.networks)


def parse_network_list(value: object) -> NetworkList:
    """The list in a text like 10.244.0.0/16 or 10.244.0.0/16,fd00:10:244::/56."""
    if isinstance(value, NetworkList):
        return value
    texts = value.split(",") if isinstance(value, str) else [value]
    found = NetworkList(text=str(value), networks=tuple(map(parse_network, texts)))
    if len(found.networks) > 2 or len(set(found.versions)) != len(found.networks):
        message = f"{quoted(value)} is neither one network nor one IPv4 and one IPv6 network"
        raise ValueError(message)
    return found


def network_list_text(value: NetworkList) -> str:
    """The list as it was written."""
    return value.text


def resolve_numbers(value: object) -> object:
    """The value with each PlainNumber in it turned into a float."""
    if isinstance(value, PlainNumber):
        return float(value)
    if isinstance(value, dict):
        return {key: resolve_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve_numbers(item) for item in value]
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(duration_text),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION_PATTERN}$"}),
]
SubnetList = Annotated[
    NetworkList,
    PlainValidator(parse_network_list),
    PlainSerializer(network_list_text),
    WithJsonSchema({"type": "string"}),
    Field(examples=["10.244.0.0/16", "10.244.0.0/16,fd00:10:244::/56"]),
]
"""One network, or IPv4 and IPv6 joined by a comma, as kubeadm writes dual-stack."""

Address = Annotated[
    IPAddress,
    PlainValidator(parse_address),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
]
"""An IPv4 or IPv6 address, without a zone."""

WholeNumber = Annotated[int, BeforeValidator(whole_number)]
"""An integer: neither true nor 6443.0 is one."""
Port = Annotated[WholeNumber, Field(ge=1, le=65535)]
Passthrough = Annotated[dict[str, JsonValue], BeforeValidator(resolve_numbers)]
"""A mapping that khgen passes on unchanged."""
