"""Write docs/alerts.md from config/alerts.yaml.

Each alert's ``runbook_url`` leads to its section. ``--check`` changes nothing and fails if the page
is out of date.
"""

import re
import sys
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped] # it ships no types

ROOT = Path(__file__).parents[1]
ALERTS = ROOT / "config" / "alerts.yaml"
PAGE = ROOT / "docs" / "alerts.md"
_INTRODUCTION = """# Alerts

<!-- written by `make alerts` from config/alerts.yaml -->

What each alert of [config/alerts.yaml](../config/alerts.yaml) means, and what to do. *Page*: \
users get no calls, act now; *ticket*: investigate today. [metrics.md](metrics.md) explains the \
metrics and how to install the rules.
"""


def render_page() -> str:
    """Return the page."""
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return "\n".join(
        [_INTRODUCTION, *(_section(rule) for each in groups for rule in each["rules"])]
    )


def _section(rule: dict[str, Any]) -> str:
    summary, description = (
        _without_templates(rule["annotations"][name]) for name in ("summary", "description")
    )
    wait = f", after {rule['for']}" if "for" in rule else ""
    return (
        f"## {rule['alert']}\n\n**{summary}** ({rule['labels']['severity']}{wait})\n\n"
        f"{description}\n\n```promql\n{rule['expr'].strip()}\n```\n"
    )


def _without_templates(text: str) -> str:
    """Replace what Prometheus fills in: ``{{ $labels.route }}`` by *route*, a value by *N*."""
    named = re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"*\1*", text)
    return re.sub(r"\{\{ \$value.*?\}\}", "*N*", named)


if __name__ == "__main__":
    page = render_page()
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text("utf-8") != page and f"{PAGE.name} is out of date: make alerts")
    PAGE.write_text(page, encoding="utf-8")
