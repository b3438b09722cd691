"""One target, guided by which lines its inputs reach (atheris, libFuzzer): deeper than chance where a reader branches.

    python -m tests.fuzz.guided [--minutes M] [--room ROOM] TARGET

Needs atheris in the environment. A find ends it; its input is written to `var/fuzz`. Inputs that reach something new are
kept in `var/fuzz/<target>` for the next time.
"""

import argparse
import hashlib
import logging
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, Final

import structlog

_FOLDER: Final = Path("var/fuzz")


def main() -> None:
    """Try one target until the time is over or something is found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    parser.add_argument("target", help="the name of a target")
    parser.add_argument("--room", default="dialects", help="the package of keystead that guides, such as `identity`")
    parser.add_argument("--minutes", type=float, default=10)
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    atheris: Any = import_module("atheris")
    with atheris.instrument_imports(include=["keystead"]):  # whatever is imported first is instrumented: the room, and
        room = import_module(f"keystead.{asked.room}")  # what it stands upon
        for module in walk_packages(room.__path__, f"{room.__name__}."):
            import_module(module.name)
    targets = import_module("tests.fuzz.catalogue").TARGETS
    chosen = [target for target in targets if target.name == asked.target]
    if not chosen:
        parser.error(f"there are: {', '.join(target.name for target in targets)}")
    corpus = _FOLDER / asked.target.replace(" ", "-").replace("/", "-")
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in chosen[0].seeds:
        (corpus / hashlib.sha256(seed).hexdigest()[:12]).write_bytes(seed)
    limits = [f"-max_total_time={asked.minutes * 60:.0f}", "-max_len=65536", f"-artifact_prefix={_FOLDER}/"]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], chosen[0].check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
