"""`make bench`: every proxy in one run, one after the other, on the same core, before the same upstream.

    python -m tests.benchmarks [--quick | --memory] [--document] [NAME …]

BENCH_PEERS=1 adds LiteLLM and Portkey, installed on demand into var/bench/peers. `--memory` sends 200,000 requests
instead and tells the memory after each 20,000.
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

import uvloop

from tests.benchmarks import peers, report, targets
from tests.benchmarks.load import WrongAnswerError
from tests.benchmarks.measure import Figures, measure, watch_memory
from tests.benchmarks.process import NotStartedError, cores, on_cores
from tests.benchmarks.scenarios import FULL, QUICK, SLOW, Scale
from tests.benchmarks.targets import ROOT, Bench, Target, UnavailableError

TARGETS: Final = (
    Target(name="direct", title="no proxy", start=targets.direct),
    Target(name="nginx", title="nginx, bare proxy", start=targets.nginx),
    Target(name="floor", title="uvicorn + aiohttp, bare proxy", start=targets.floor),
    Target(name="keystead-sqlite", title="Keystead, SQLite", start=targets.keystead_on_sqlite),
    Target(name="keystead-postgresql", title="Keystead, PostgreSQL", start=targets.keystead_on_postgresql),
    Target(name="keystead-translating", title="Keystead, SQLite, translating", start=targets.keystead_translating),
    Target(name="portkey", title="Portkey, no records", start=peers.portkey, peer=True),
    Target(name="litellm", title="LiteLLM, no records", start=peers.litellm, peer=True),
)


def main() -> None:
    """Measure what was asked for and print the table."""
    names = [target.name for target in TARGETS]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[*names, []], help=f"one of {', '.join(names)}; default: all")
    parser.add_argument("--quick", action="store_true", help="few requests: to see that the harness works")
    parser.add_argument("--memory", action="store_true", help="200,000 requests: does the memory stay flat?")
    parser.add_argument("--document", action="store_true", help="put the figures into the documentation")
    asked = parser.parse_args()
    chosen = [
        target
        for target in TARGETS
        if (target.name in asked.name) or (not asked.name and (not target.peer or os.environ.get("BENCH_PEERS") == "1"))
    ]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every started process is ended then too
    results = ROOT / "var" / "bench"
    results.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Figures] = {}
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory(dir=results) as folder, targets.upstream(Path(folder)) as bench:
        if asked.memory:
            for target in chosen:
                _watch_memory(target, bench)
            return
        for target in chosen:
            scale = QUICK if asked.quick else SLOW if target.peer else FULL
            try:
                figures[target.title] = _measure(target, bench, scale)
            except (UnavailableError, NotStartedError, WrongAnswerError, TimeoutError) as error:
                skipped[target.title] = f"{type(error).__name__}: {error}"
    print(report.markdown(figures))
    for title, reason in skipped.items():
        print(f"\nNot measured: {title}. {reason}")
    if asked.document:
        report.document(ROOT / "docs" / "explanation" / "performance.md", figures)
    print(f"\nWritten: {report.write(results, figures, skipped).relative_to(ROOT)} and bench.md beside it.")


def _measure(target: Target, bench: Bench, scale: Scale) -> Figures:
    print(f"… {target.title}", flush=True)
    with target.start(bench) as running, on_cores(cores()[1]):
        return uvloop.run(measure(running, scale))


def _watch_memory(target: Target, bench: Bench) -> None:
    with target.start(bench) as running, on_cores(cores()[1]):
        if not running.pid:
            return
        print(f"… {target.title}", flush=True)
        for sent, memory in uvloop.run(watch_memory(running, total=200_000, step=20_000, connections=32)):
            print(f"{sent:>10,} requests {memory / 1e6:>8.1f} MB")


if __name__ == "__main__":
    main()
