"""Put the pinned uv into `.uv/`, starting from nothing but Python ≥ 3.11 with its standard library.

1. Make a private environment, `.uv/`.
2. Find a pip for it: the one inside this Python (`ensurepip`), else one installed beside it (`python3-pip`), else
   one wheel read from the package index and checked against the hash below. The last is what a minimal Debian
   needs: its `python3` has neither until `python3-venv` or `python3-pip` is installed.
3. That pip installs `tools/uv.txt`, where every file is pinned by hash; uv then installs `uv.lock` likewise.

The index is `PIP_INDEX_URL`, `UV_DEFAULT_INDEX` or `UV_INDEX_URL`, in this order, else PyPI; certificates are
`PIP_CERT` or `SSL_CERT_FILE`; proxies are the usual `HTTPS_PROXY` and `NO_PROXY`.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import venv
from pathlib import Path

PIP_WHEEL = "pip-26.2-py3-none-any.whl"
PIP_SHA256 = "931c303696af6fa3417112103b1cad26890e5a07eccb5b99783700e33f2b8aad"
WHEEL_BYTES_MAX = 8 * 1024 * 1024
"""Four times the wheel's size: a wrong answer ends here, not in memory."""
FETCH_TIMEOUT_S = 60

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "tools" / "uv.txt"
PYPI = "https://pypi.org/simple"


class BootstrapError(Exception):
    """uv cannot be installed; the message says what to do."""


def main() -> None:
    """Make `.uv/` afresh."""
    target = ROOT / ".uv"
    shutil.rmtree(target, ignore_errors=True)
    environment = _environment()
    print(f"Installing uv into {target.relative_to(ROOT)}/ …", flush=True)
    pip = _make_pip(target, environment)
    subprocess.run(
        [*pip, "install", "--quiet", "--no-input", "--no-deps", "--require-hashes", "--requirement", REQUIREMENTS],
        env=environment,
        check=True,
    )


def _environment() -> dict[str, str]:
    """Return the environment for pip: what the user set for uv or OpenSSL holds for pip as well."""
    environment = dict(os.environ)
    index = _first_set("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
    certificates = _first_set("PIP_CERT", "SSL_CERT_FILE")
    if index:
        environment["PIP_INDEX_URL"] = index
    if certificates:
        environment["PIP_CERT"] = certificates
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    return environment


def _first_set(*names: str) -> str:
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _make_pip(target: Path, environment: dict[str, str]) -> list[str]:
    """Make the environment and return the command of a pip that installs into it."""
    python = str(target / "bin" / "python")
    if importlib.util.find_spec("ensurepip"):
        venv.create(target, symlinks=True, with_pip=True)
        return [python, "-m", "pip"]
    venv.create(target, symlinks=True, with_pip=False)
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", python]
    wheel = target / PIP_WHEEL
    wheel.write_bytes(_fetch_pip(environment))
    return [python, str(wheel / "pip")]


def _fetch_pip(environment: dict[str, str]) -> bytes:
    """Read the pinned pip wheel from the package index (the HTML form of its API, PEP 503: every mirror has it)."""
    page_url = f"{environment.get('PIP_INDEX_URL', PYPI).rstrip('/')}/pip/"
    try:
        page = _read(page_url, environment).decode()
        link = re.search(rf'href="([^"#]*/)?{re.escape(PIP_WHEEL)}', page)
        if link is None:
            raise BootstrapError(f"The package index has no {PIP_WHEEL}. Install python3-venv, then try again.")
        wheel = _read(urllib.parse.urljoin(page_url, f"{link[1] or ''}{PIP_WHEEL}"), environment)
    except (urllib.error.URLError, TimeoutError) as error:
        raise BootstrapError(
            f"The package index did not answer ({error}). Set HTTPS_PROXY, PIP_INDEX_URL or PIP_CERT "
            "to what your network needs, or install ca-certificates and python3-venv; then try again."
        ) from error
    if hashlib.sha256(wheel).hexdigest() != PIP_SHA256:
        raise BootstrapError(
            f"The {PIP_WHEEL} that the package index gave is not the one pinned here; nothing was run."
        )
    return wheel


def _read(url: str, environment: dict[str, str]) -> bytes:
    context = ssl.create_default_context(cafile=environment.get("PIP_CERT"))
    request = urllib.request.Request(url, headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=FETCH_TIMEOUT_S, context=context) as answer:
        content: bytes = answer.read(WHEEL_BYTES_MAX + 1)
    if len(content) > WHEEL_BYTES_MAX:
        raise BootstrapError(f"{urllib.parse.urlsplit(url).path} is larger than it can be; nothing was run.")
    return content


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - run by whatever `python3` is, before anything checked it
        sys.exit(f"Keystead needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    try:
        main()
    except BootstrapError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(f"pip ended with {error.returncode}; its own message is above.")
