"""What the checks have measured of costs, in files below the project's `.harness/`.

`costs/` holds the last run's figures, a file for each process, and is no part of a repository.
`costs.json` is: `harness verify` writes what it measured there, so that another branch can be
compared with it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from harness.billing.prices import PriceList, read_prices
from harness.billing.scenarios import GrowthCost, ScenarioCost, by_name
from harness.billing.traffic import TrafficModel, read_traffic
from harness.config import HARNESS_YAML
from harness.errors import ConfigError, EnvironmentLacking, HarnessError
from harness.files import read_text_file, write_text_file
from harness.source import SourceText
from harness.yaml_settings import YamlReader

SAVED = Path(".harness") / "costs.json"
_FOLDER = Path(".harness") / "costs"
_VERSION = 1
_PRICES = "prices.yaml"


@dataclass(frozen=True, slots=True)
class MeasuredCosts:
    """What was measured.

    Attributes:
        scenarios: By name.
        growth: In order of names; several of a name where several checks measured it.
    """

    scenarios: dict[str, ScenarioCost]
    growth: tuple[GrowthCost, ...] = ()


@dataclass(slots=True)
class CostsFile:
    """What one process of a run writes.

    Args:
        process: A name for the file that no other process of the run has.
    """

    project_folder: Path
    process: str
    _has_begun: bool = field(default=False, init=False)

    def append(self, measured: ScenarioCost | GrowthCost) -> None:
        """Add a measurement.

        Raises:
            EnvironmentLacking: The file cannot be written.
        """
        path = self.project_folder / _FOLDER / f"{self.process}.jsonl"
        try:
            if not self._has_begun:
                path.parent.mkdir(parents=True, exist_ok=True)
                # Nothing that belongs into a repository.
                (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
            with path.open("a" if self._has_begun else "w", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(measured.to_json()) + "\n")
        except OSError as error:
            raise EnvironmentLacking(
                f"costs cannot be recorded in {path}: {error.strerror}",
                fix="make the folder writable",
            ) from error
        self._has_begun = True


def clear_costs(project_folder: Path) -> None:
    """Delete what the last run left; what was saved stays."""
    for path in _files(project_folder):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def read_costs(project_folder: Path) -> MeasuredCosts:
    """Return what the last run measured; nothing without a run.

    Raises:
        HarnessError: A file is not what this module wrote.
    """
    scenarios: list[ScenarioCost] = []
    growth: list[GrowthCost] = []
    for path in _files(project_folder):
        try:
            text = path.read_text(encoding="utf-8")
            # The process may have been killed in the middle of a line.
            for line in text[: text.rfind("\n") + 1].splitlines():
                value = json.loads(line)
                if "growth" in value:
                    growth.append(GrowthCost.from_json(value))
                else:
                    scenarios.append(ScenarioCost.from_json(value))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HarnessError(
                f"{path} cannot be read: {error}", fix="delete it, and run the checks again"
            ) from error
    return MeasuredCosts(
        by_name(scenarios), tuple(sorted(growth, key=lambda each: (each.name, each.check)))
    )


def measured_costs(project_folder: Path) -> MeasuredCosts:
    """Return what the last run measured, and what is saved of scenarios that it left out.

    Raises:
        HarnessError: There is neither, or it cannot be read.
    """
    measured = _over_saved(project_folder, read_costs(project_folder))
    if not measured.scenarios and not measured.growth:
        raise HarnessError(
            "no check has measured a cost",
            fix='run actions within `with query_cost("name"):` in checks, and harness verify',
        )
    return measured


def save_costs(project_folder: Path, *, whole: bool) -> None:
    """Keep what the last run measured, for the repository; nothing where nothing was measured.

    Args:
        whole: Whether every check ran: what was saved before and not measured now goes.
    Raises:
        HarnessError: It cannot be read or written.
    """
    measured = read_costs(project_folder)
    if measured.scenarios or measured.growth:
        kept = measured if whole else _over_saved(project_folder, measured)
        saved = _saved(project_folder).scenarios
        scenarios = {
            name: saved[name] if name in saved and cost.is_about(saved[name]) else cost
            for name, cost in kept.scenarios.items()
        }
        text = saved_text(replace(kept, scenarios=scenarios))
        write_text_file(project_folder / SAVED, text)


def merge_saved_costs(
    project_folder: Path, base: SourceText | None, folders: Iterable[Path]
) -> bool:
    """Join what several machines have saved with the project's own; say whether that is new.

    Args:
        base: `costs.json` of the commit that all machines began with, if it has one.
        folders: Each a project's, its `.harness`, or the evidence in that.
    Raises:
        HarnessError: A file is not what this module wrote, or cannot be written.
    """
    own = project_folder / SAVED
    paths = [path for folder in folders if (path := _saved_in(folder)) is not None]
    if not paths:
        return False
    before = read_text_file(own).text if own.is_file() else ""
    sides = [parse_saved(read_text_file(path)) for path in (own, *paths) if path.is_file()]
    merged = merged_costs(parse_saved(base) if base is not None else MeasuredCosts({}), sides)
    text = saved_text(merged)
    if text == before:
        return False
    own.parent.mkdir(exist_ok=True)
    write_text_file(own, text)
    return True


def merged_costs(base: MeasuredCosts, sides: Iterable[MeasuredCosts]) -> MeasuredCosts:
    """Join measurements: what a side left as it was says nothing, and of two that measured the same
    name differently the later in order counts.
    """
    scenarios = dict(base.scenarios)
    growth = {each.name: each for each in base.growth}
    for side in sides:
        scenarios |= {
            name: cost for name, cost in side.scenarios.items() if cost != base.scenarios.get(name)
        }
        growth |= {each.name: each for each in side.growth if each not in base.growth}
    return MeasuredCosts(dict(sorted(scenarios.items())), _once(*growth.values()))


def _saved_in(folder: Path) -> Path | None:
    """Return the `costs.json` that belongs to a folder, if there is one."""
    places = [folder / SAVED, folder / SAVED.name]
    if folder.parent.name == SAVED.parent.name:
        places.append(folder.parent / SAVED.name)
    return next((place for place in places if place.is_file()), None)


def _over_saved(project_folder: Path, measured: MeasuredCosts) -> MeasuredCosts:
    saved = _saved(project_folder)
    return MeasuredCosts(
        dict(sorted({**saved.scenarios, **measured.scenarios}.items())),
        _once(*saved.growth, *measured.growth),
    )


def _saved(project_folder: Path) -> MeasuredCosts:
    path = project_folder / SAVED
    return parse_saved(read_text_file(path)) if path.is_file() else MeasuredCosts({})


def _once(*growth: GrowthCost) -> tuple[GrowthCost, ...]:
    """Return each name's last measurement, in order of names."""
    return tuple({each.name: each for each in sorted(growth, key=lambda each: each.name)}.values())


def saved_text(costs: MeasuredCosts) -> str:
    """Return the text of `costs.json`: the same for the same figures."""
    value = {
        "version": _VERSION,
        "scenarios": [cost.settled().to_json() for cost in costs.scenarios.values()],
        "growth": [each.settled().to_json() for each in _once(*costs.growth)],
    }
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def parse_saved(source: SourceText) -> MeasuredCosts:
    """Read `costs.json`.

    Raises:
        ConfigError: It is something else.
    """
    try:
        value: Any = json.loads(source.text)
        if value["version"] != _VERSION:
            raise ValueError(f"version {value['version']}")
        return MeasuredCosts(
            by_name(ScenarioCost.from_json(each) for each in value["scenarios"]),
            tuple(map(GrowthCost.from_json, value["growth"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"not a file of measured costs: {error}",
            fix="write it anew with harness verify",
            at=source.position(0),
        ) from error


def read_traffic_model(project_folder: Path) -> TrafficModel | None:
    """Return `traffic:` of harness.yaml; None where it has none.

    Raises:
        HarnessError: It does not fit.
    """
    path = project_folder / HARNESS_YAML
    if not path.is_file():
        return None
    reader = YamlReader(read_text_file(path))
    root = reader.root()
    if root is None:
        return None
    node = reader.mapping(root, HARNESS_YAML).get("traffic")
    return None if node is None else read_traffic(reader, node)


def read_price_list(project_folder: Path, traffic: TrafficModel) -> PriceList:
    """Return the prices that the traffic model names, or those that come with the harness.

    Raises:
        HarnessError: They cannot be read.
    """
    if traffic.prices is not None:
        return read_prices(read_text_file(project_folder / traffic.prices))
    text = package_files("harness.billing").joinpath(_PRICES).read_text(encoding="utf-8")
    return read_prices(SourceText(_PRICES, text))


def _files(project_folder: Path) -> list[Path]:
    return sorted((project_folder / _FOLDER).glob("*.jsonl"))
