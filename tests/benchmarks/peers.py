"""Other gateways, installed on demand into a folder of their own, never into the project's environment."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.benchmarks.process import cores, free_port, started
from tests.benchmarks.scenarios import MODEL
from tests.benchmarks.targets import ROOT, Bench, Running, UnavailableError

PEERS: Final = ROOT / "var" / "bench" / "peers"
LITELLM: Final = "litellm[proxy]"
LITELLM_NOT_NEWER_THAN: Final = "7 days"
PORTKEY: Final = "@portkey-ai/gateway@1.15.2"

LITELLM_CONFIGURATION: Final = """
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: "http://127.0.0.1:{port}/v1", api_key: sk-bench}}
general_settings: {{master_key: sk-bench-master}}
litellm_settings: {{telemetry: false}}
"""


@contextmanager
def litellm(bench: Bench) -> Iterator[Running]:
    """LiteLLM's proxy with one worker, a master key and no database, so without virtual keys, budgets or records."""
    environment = PEERS / "litellm"
    program = environment / "bin" / "litellm"
    if not program.exists():
        uv = ROOT / ".uv" / "bin" / "uv"
        _install([uv, "venv", "--clear", environment], bench)
        _install(
            [uv, "pip", "install", "--python", environment, "--exclude-newer", LITELLM_NOT_NEWER_THAN, LITELLM], bench
        )
    configuration = bench.folder / "litellm.yaml"
    configuration.write_text(LITELLM_CONFIGURATION.format(model=MODEL, port=bench.upstream_port))
    port = free_port()
    options = ["--config", str(configuration), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    # Its price list would come from the network at start; its own copy is in the package.
    variables = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with started(
        [program, *options],
        port=port,
        log=bench.log("litellm"),
        where=cores()[0],
        environment=variables,
        ready_within_s=180,
    ) as pid:
        yield Running(port=port, pid=pid, headers={"Authorization": "Bearer sk-bench-master"})


@contextmanager
def portkey(bench: Bench) -> Iterator[Running]:
    """Portkey's open-source gateway, where the caller brings the provider's key on each request."""
    node = shutil.which("node")
    npm = shutil.which("npm")
    if not node or not npm:
        raise UnavailableError("node and npm are not installed (Debian: apt-get install nodejs npm)")
    folder = PEERS / "portkey"
    server = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not server.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _install([npm, "install", "--prefix", folder, "--no-audit", "--no-fund", PORTKEY], bench)
    port = free_port()
    headers = {
        "Authorization": "Bearer sk-bench",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"http://127.0.0.1:{bench.upstream_port}/v1",
    }
    with started(
        [node, server, f"--port={port}", "--headless"],
        port=port,
        log=bench.log("portkey"),
        where=cores()[0],
        environment={**os.environ, "TRUSTED_CUSTOM_HOSTS": "127.0.0.1"},
    ) as pid:
        yield Running(port=port, pid=pid, headers=headers)


def _install(command: list[str | Path], bench: Bench) -> None:
    with bench.log("install").open("ab") as output:
        answer = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if answer.returncode:
        raise UnavailableError(f"could not be installed; see {bench.log('install')}")
