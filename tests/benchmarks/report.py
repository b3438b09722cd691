"""The figures, for people and for machines."""

import json
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from tests.benchmarks.measure import Figures

_BEGIN: Final = "<!-- figures -->"
_END: Final = "<!-- /figures -->"

_COLUMNS: Final[tuple[tuple[str, Callable[[Figures], str]], ...]] = (
    ("CPU/request µs", lambda seen: f"{seen.cpu_us:,.0f}"),
    ("database µs", lambda seen: "" if seen.database_cpu_us is None else f"{seen.database_cpu_us:,.0f}"),
    ("CPU/request 64 KB µs", lambda seen: f"{seen.large_cpu_us:,.0f}"),
    ("requests/s", lambda seen: f"{seen.requests_per_s:,.0f}"),
    ("p50 ms", lambda seen: f"{seen.p50_us / 1000:.1f}"),
    ("p99 ms", lambda seen: f"{seen.p99_us / 1000:.1f}"),
    ("alone p50 ms", lambda seen: f"{seen.lone_p50_us / 1000:.2f}"),
    ("alone p99 ms", lambda seen: f"{seen.lone_p99_us / 1000:.2f}"),
    ("CPU/event µs", lambda seen: f"{seen.streams.event_cpu_us:,.1f}" if seen.streams else "none"),
    ("first event p50 ms", lambda seen: f"{seen.streams.first_p50_us / 1000:.2f}" if seen.streams else "none"),
    ("memory MB", lambda seen: f"{seen.memory_after / 1e6:,.0f}"),
)


def markdown(figures: Mapping[str, Figures]) -> str:
    """Return a Markdown table with aligned columns, one row a proxy."""
    rows = [["", *(title for title, _ in _COLUMNS)]]
    rows += [[title, *(show(seen) for _, show in _COLUMNS)] for title, seen in figures.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) if n == 0 else cell.rjust(width) for n, (cell, width) in cells) + " |"
        for row in rows
        for cells in [list(enumerate(zip(row, widths, strict=True)))]
    ]
    rule = (
        "| " + " | ".join("-" * width if n == 0 else "-" * (width - 1) + ":" for n, width in enumerate(widths)) + " |"
    )
    return "\n".join([lines[0], rule, *lines[1:]])


def machine() -> dict[str, str]:
    """Return what the figures were measured on."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(": ")[2]
            break
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
    }


def document(page: Path, figures: Mapping[str, Figures]) -> None:
    """Put the table, and what it was measured on, between the marks of a documentation page."""
    before, rest = page.read_text().split(_BEGIN)
    _, after = rest.split(_END)
    seen = machine()
    where = f"{seen['processor']}, {seen['cores']} cores, Python {seen['python']}."
    page.write_text(f"{before}{_BEGIN}\n{markdown(figures)}\n\n{where}\n{_END}{after}")


def write(folder: Path, figures: Mapping[str, Figures], skipped: Mapping[str, str]) -> Path:
    """Write the figures as JSON and Markdown; return the JSON file."""
    document = {
        "machine": machine(),
        "figures": {title: msgspec.to_builtins(seen) for title, seen in figures.items()},
        "skipped": dict(skipped),
    }
    path = folder / "bench.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    (folder / "bench.md").write_text(markdown(figures) + "\n")
    return path
