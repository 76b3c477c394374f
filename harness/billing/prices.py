"""Price lists: YAML text -> PriceList. Amounts are US dollars, exact decimals.

The list that comes with the package is `prices.yaml`; a project may give its own. Reading files is
the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

import yaml

from harness.errors import ConfigError
from harness.source import SourceText
from harness.yaml_settings import YamlReader

OPERATIONS_PER_PRICE = 100_000
"""Document operations are priced by the hundred thousand."""

_LOCATION_KEYS = ("reads", "writes", "deletes", "storage", "date", "confidence")
_FIRESTORE_KEYS = ("source", "fallback", "egress", "free", "locations")
_FREE_KEYS = (
    "reads_per_day",
    "writes_per_day",
    "deletes_per_day",
    "storage_gib",
    "egress_gib_per_month",
)
_FUNCTIONS_KEYS = (
    "source",
    "date",
    "per_million_invocations",
    "per_vcpu_second",
    "per_gib_second",
    "rounding_ms",
    "free",
)
_FREE_FUNCTIONS_KEYS = ("invocations", "vcpu_seconds", "gib_seconds")


@dataclass(frozen=True, slots=True)
class LocationPrices:
    """Firestore's prices in one location.

    Attributes:
        reads: Of 100,000 document reads; writes and deletes likewise.
        storage: Of a GiB for a month.
        date: When the figures were gathered, as the list says it.
        confidence: How sure the list is of them: `high`, `medium` or `low`.
    """

    location: str
    reads: Decimal
    writes: Decimal
    deletes: Decimal
    storage: Decimal
    date: str
    confidence: str


@dataclass(frozen=True, slots=True)
class FreeQuota:
    """What one database of a project has for nothing: operations a day, the rest a month."""

    reads_per_day: int
    writes_per_day: int
    deletes_per_day: int
    storage_gib: Decimal
    egress_gib_per_month: Decimal


@dataclass(frozen=True, slots=True)
class FunctionPrices:
    """Cloud Functions, second generation, billed by request.

    Attributes:
        rounding_ms: A run is billed in steps of so many milliseconds.
    """

    per_million_invocations: Decimal
    per_vcpu_second: Decimal
    per_gib_second: Decimal
    rounding_ms: int
    free_invocations: int
    free_vcpu_seconds: int
    free_gib_seconds: int
    date: str


@dataclass(frozen=True, slots=True)
class PriceList:
    """All prices of one list.

    Attributes:
        fallback: The location whose prices stand for one that the list lacks.
        egress: Of a GiB that leaves for the internet, beyond what is free.
    """

    locations: Mapping[str, LocationPrices]
    fallback: str
    egress: Decimal
    free: FreeQuota
    functions: FunctionPrices
    file_name: str

    def at(self, location: str) -> LocationPrices:
        """Return a location's prices, or those of the fallback where the list lacks it."""
        return self.locations.get(location, self.locations[self.fallback])

    def near(self, location: str) -> str | None:
        """Return a location of the list that is spelled much like one that it lacks."""
        return next(iter(get_close_matches(location, self.locations, n=1)), None)


def read_prices(source: SourceText) -> PriceList:
    """Read a price list.

    Raises:
        ConfigError: It is not YAML, lacks something or has a price that is none; with the position.
    """
    return _PriceReader(source).price_list()


class _PriceReader:
    def __init__(self, source: SourceText) -> None:
        self._source = source
        self._reader = YamlReader(source)

    def price_list(self) -> PriceList:
        root = self._reader.root()
        if root is None:
            raise ConfigError(
                "an empty price list",
                fix="give it firestore: and functions:",
                at=self._source.position(0),
            )
        entries = self._all(root, "the price list", ("firestore", "functions"))
        firestore = self._all(entries["firestore"], "firestore", _FIRESTORE_KEYS)
        locations = {
            name: self._location(name, node)
            for name, node in self._reader.mapping(
                firestore["locations"], "firestore.locations"
            ).items()
        }
        fallback = self._reader.string(firestore["fallback"], "firestore.fallback")
        if fallback not in locations:
            raise self._reader.error(
                firestore["fallback"],
                f'the fallback "{fallback}" is not one of the locations',
                "name a location of the list",
            )
        return PriceList(
            locations,
            fallback,
            self._amount(firestore["egress"], "firestore.egress"),
            self._free(firestore["free"]),
            self._functions(entries["functions"]),
            self._source.file_name,
        )

    def _location(self, name: str, node: yaml.Node) -> LocationPrices:
        entries = self._all(node, name, _LOCATION_KEYS)
        amounts = {
            key: self._amount(entries[key], f"{name}.{key}")
            for key in ("reads", "writes", "deletes", "storage")
        }
        return LocationPrices(
            location=name,
            date=self._text(entries["date"]),
            confidence=self._text(entries["confidence"]),
            **amounts,
        )

    def _free(self, node: yaml.Node) -> FreeQuota:
        entries = self._all(node, "firestore.free", _FREE_KEYS)
        counts: dict[str, Any] = {
            key: self._reader.count(entries[key], f"firestore.free.{key}") for key in _FREE_KEYS[:3]
        }
        amounts: dict[str, Any] = {
            key: self._amount(entries[key], f"firestore.free.{key}") for key in _FREE_KEYS[3:]
        }
        return FreeQuota(**counts, **amounts)

    def _functions(self, node: yaml.Node) -> FunctionPrices:
        entries = self._all(node, "functions", _FUNCTIONS_KEYS)
        free = self._all(entries["free"], "functions.free", _FREE_FUNCTIONS_KEYS)
        counts: dict[str, Any] = {
            f"free_{key}": self._reader.count(free[key], f"functions.free.{key}")
            for key in _FREE_FUNCTIONS_KEYS
        }
        amounts: dict[str, Any] = {
            key: self._amount(entries[key], f"functions.{key}")
            for key in ("per_million_invocations", "per_vcpu_second", "per_gib_second")
        }
        return FunctionPrices(
            rounding_ms=self._reader.count(entries["rounding_ms"], "functions.rounding_ms"),
            date=self._text(entries["date"]),
            **amounts,
            **counts,
        )

    def _all(self, node: yaml.Node, name: str, keys: tuple[str, ...]) -> dict[str, yaml.Node]:
        entries = self._reader.mapping(node, name, allowed=keys)
        missing = next((key for key in keys if key not in entries), None)
        if missing is not None:
            raise self._reader.error(node, f"{name} lacks {missing}", f"add {missing}:")
        return entries

    def _amount(self, node: yaml.Node, name: str) -> Decimal:
        value = self._reader.plain(node, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise self._reader.error(
                node, f"{name} is not a price", "write US dollars as a number, such as 0.06"
            )
        return Decimal(repr(value))

    @staticmethod
    def _text(node: yaml.Node) -> str:
        # A date needs no quotes here.
        return str(node.value)
