"""`harness cost report`: what a month will cost, by action, and what would save most."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.billing.chart import report_svg
from harness.billing.forecast import forecast
from harness.billing.report import cost_report, report_json, report_text
from harness.cli import options, render
from harness.config import HARNESS_YAML
from harness.costs import measured_costs, read_price_list, read_traffic_model
from harness.errors import ConfigError
from harness.files import write_text_file
from harness.project import find_project_folder


@click.command("report")
@options.project
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json", "svg"]),
    default="text",
    show_default=True,
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write it to FILE."
)
def command(project_dir: Path | None, form: str, output: Path | None) -> int:
    """Say what a month will cost: what checks have measured × `traffic:` of harness.yaml × prices.

    Measured is what checks ran within `with query_cost("name of the action")`.
    """
    folder = find_project_folder(project_dir or Path.cwd())
    traffic = read_traffic_model(folder)
    if traffic is None:
        raise ConfigError(
            f"{folder / HARNESS_YAML} has no traffic model",
            fix="add traffic: location, users, sessions_a_day, actions_a_session: {ACTION: TIMES}",
        )
    prices = read_price_list(folder, traffic)
    measured = measured_costs(folder)
    operations = {name: cost.operations for name, cost in measured.scenarios.items()}
    month = forecast(operations, traffic, prices)
    report = cost_report(measured.scenarios, month, prices, measured.growth)
    if form == "json":
        text = json.dumps(report_json(report), indent=2, ensure_ascii=False) + "\n"
    elif form == "svg":
        text = report_svg(report)
    else:
        text = report_text(report, markdown=form == "markdown")
    if output is not None:
        write_text_file(output, text)
    else:
        render.text(text)
    return 0
