"""Truths about the repository as a whole, which no single room can keep by itself."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from keystead.settings import SETTINGS, Setting

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = ROOT / "src" / "keystead"

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60

REVEALERS: Final = {
    "cli/demo.py": "shows the first link and token of a made-up organization, once",
    "app/first_start.py": "writes the first admin token into its file, once",
    "app/server.py": "prints the first virtual key and the first link to the console, once",
    "identity/passwords.py": "hashes a person's password, and looks at how easily it is guessed",
    "identity/saved_prompts.py": "gives a member the prompt that they saved",
    "identity/second_factor.py": "computes the code of the moment",
    "identity/virtual_keys.py": "the HMAC of an issued key",
    "ledger/webhook.py": "the HMAC of a payment notice",
    "providers/aws/access.py": "signs a request, or takes a role with an access key",
    "providers/entra_access.py": "proves an application to Microsoft Entra ID",
    "providers/google_access.py": "signs with a service account's key",
    "providers/authorization.py": "the provider's auth header",
    "vault/signatures.py": "signs a document with a private key that somebody names on the command line",
    "vault/credentials.py": "seals what was brought, and its fingerprint and mask",
    "web/admin/admin_tokens.py": "shows an issued token, once",
    "web/admin/credential_probes.py": "recognises an admin key before it is kept",
    "web/admin/organizations.py": "shows a new organization's first token, once",
    "vault/sealer.py": "seals second factors, client secrets and saved prompts, and opens them for their own places",
    "web/admin/second_factor.py": "shows the secret of a new second factor, once",
    "web/admin/sign_in_links.py": "shows a link to choose a password, once",
    "web/admin/virtual_keys.py": "shows an issued key, once",
    "identity/identity_providers.py": "makes state, nonce and verifier of what a browser keeps",
    "web/console/federation.py": "puts what a browser keeps meanwhile into its cookie",
    "web/console/relying_party.py": "proves the organization's application to its identity provider",
    "web/console/entering.py": "puts a new session into its cookie, and what a code is brought with into its form",
}
"""Who may call `Secret.reveal`, and what for. A provider key's plaintext is opened by the vault and the authorizers only."""

SECRET_NAME: Final = re.compile(r"(?:^|_)(?:digest|hmac|mac|signature|commitment|password|secret|fingerprint)$")
SQL_START: Final = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|WITH|PRAGMA|SET)\s", re.IGNORECASE)
SQL_CALLS: Final = frozenset(
    {"text", "execute", "executemany", "executescript", "exec_driver_sql", "fetch", "fetchrow"}
)
SQL_FROM_PARTS: Final = {
    "storage/migrations/protection.py": "DDL takes no parameters; its parts are our own tables",
    "storage/migrations/versions/0003_row_level_security.py": "DDL takes no parameters; its parts are our own tables",
    "storage/migrations/versions/0005_alerts.py": "as above; and what finds failures is written once, for an index too",
    "storage/partitions.py": "DDL takes no parameters; its parts are our own table names and whole numbers",
    "storage/row_security.py": "as the migration: the names of our own tables and columns",
    "storage/statements.py": "made once, from the schema's own column names; every value is a parameter",
    "storage/sqlite.py": "a PRAGMA takes no parameters; its value is one of two words",
    "storage/sqlite_sink.py": "as above",
}
"""Where SQL is put together all the same, and why nothing from outside can be in it."""

UNSHIPPED: Final = re.compile(r"/wor[k]/|shared/(?:design|fixture[s])|\bTOD[O]\b|\bFIXM[E]\b|\bXX[X]\b")
"""Paths of one machine, and words for work that is not done."""

TEXT_SUFFIXES: Final = frozenset({".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".json", ".js", ".mjs", ".cfg", ""})
NOT_OURS: Final = frozenset({"node_modules", "__pycache__", "var", "LICENSE", "uv.lock"})


def _modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def _texts() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part not in {".ci", ".editorconfig", ".gitignore"} for part in parts)
        if not hidden and not NOT_OURS.intersection(parts) and path.is_file() and path.suffix in TEXT_SUFFIXES:
            yield path


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_no_source_file_is_longer_than_a_person_reads_at_once() -> None:
    too_long = {
        _name(path): lines for path in _modules() if (lines := len(path.read_text().splitlines())) > FILE_LINES_MAX
    }

    assert too_long == {}


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = {
        f"{_name(path)}:{node.name}": lines
        for path in _modules()
        if "migrations" not in path.parts
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := _body_lines(node)) > FUNCTION_LINES_MAX
    }

    assert too_long == {}


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines below the signature and the docstring."""
    statements = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def test_plaintext_is_revealed_only_where_the_list_says() -> None:
    revealers = {
        _name(path)
        for path in _modules()
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and _called(node) == "reveal"
    }

    assert revealers == set(REVEALERS)


def test_no_secret_or_digest_is_compared_in_plain_time() -> None:
    compared = [
        f"{_name(path)}:{node.lineno}"
        for path in _modules()
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Compare)
        and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        and any(_holds_a_secret(side) for side in (node.left, *node.comparators))
        and not any(_is_column(side) for side in (node.left, *node.comparators))
    ]

    assert compared == []


def _holds_a_secret(side: ast.expr) -> bool:
    name = side.attr if isinstance(side, ast.Attribute) else getattr(side, "id", "")
    return bool(SECRET_NAME.search(name))


def _is_column(side: ast.expr) -> bool:
    """Say whether `side` is a column (`table.c.name`): that `==` builds SQL and compares nothing here."""
    return isinstance(side, ast.Attribute) and isinstance(side.value, ast.Attribute) and side.value.attr == "c"


def test_no_sql_is_built_from_strings() -> None:
    built = [
        f"{_name(path)}:{node.lineno}"
        for path in _modules()
        if _name(path) not in SQL_FROM_PARTS
        and re.search(r"^(?:from|import) (?:sqlalchemy|sqlite3|asyncpg)", path.read_text(), re.MULTILINE)
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.expr) and (_is_sql_made_from_parts(node) or _executes_parts(node))
    ]

    assert built == []


def _is_sql_made_from_parts(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        first = node.values[0] if node.values else None
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
        first = node.left
    elif isinstance(node, ast.Call) and _called(node) == "format" and isinstance(node.func, ast.Attribute):
        first = node.func.value
    else:
        return False
    return isinstance(first, ast.Constant) and isinstance(first.value, str) and bool(SQL_START.match(first.value))


def _executes_parts(call: ast.expr) -> bool:
    return (
        isinstance(call, ast.Call)
        and _called(call) in SQL_CALLS
        and any(
            isinstance(argument, ast.JoinedStr)
            or (isinstance(argument, ast.BinOp) and isinstance(argument.op, ast.Mod | ast.Add))
            or (isinstance(argument, ast.Call) and _called(argument) in {"format", "join"} and _on_text(argument))
            for argument in call.args[:1]
        )
    )


def _on_text(call: ast.Call) -> bool:
    """Say whether the method is called on a literal string (SQLAlchemy's own `join` is not)."""
    return isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Constant)


def test_every_broad_except_says_why() -> None:
    unexplained = []
    for path in _modules():
        lines = path.read_text().splitlines()
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.ExceptHandler) and _is_broad(node) and not _raises_again(node):
                beside = lines[node.lineno - 2 : node.body[0].lineno]
                if not any("#" in line for line in beside):
                    unexplained.append(f"{_name(path)}:{node.lineno}")

    assert unexplained == []


def _is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or getattr(kind, "id", "") in {"Exception", "BaseException"} for kind in caught)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_nothing_names_a_machine_or_leaves_work_undone() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _texts()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if UNSHIPPED.search(line)
    ]

    assert found == []


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_every_setting_has_a_sentence_and_a_default_that_parses(setting: Setting) -> None:
    assert setting.help.endswith(".")
    setting.parse(setting.default)


def test_every_relative_link_in_the_documentation_leads_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in _texts()
        if path.suffix == ".md"
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", path.read_text())
        if not (path.parent / target).exists()
    ]

    assert broken == []


def test_every_test_named_in_the_documentation_exists() -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {named}"
        for path in _texts()
        if path.suffix == ".md"
        for named in re.findall(r"`(tests/[\w./-]+)`", path.read_text())
        if not (ROOT / named).exists()
    ]

    assert missing == []


def test_every_attack_stands_in_the_threat_model() -> None:
    model = (ROOT / "docs" / "threat-model.md").read_text()
    missing = [
        path.name
        for path in sorted((ROOT / "tests" / "attacks").glob("test_t*.py"))
        if not re.search(rf"^\| T{int(path.name[6:8])} \|.*{path.name}", model, re.MULTILINE)
    ]

    assert missing == []


def test_the_lock_file_pins_every_package_by_hash_and_names_no_private_index() -> None:
    locked = tomllib.loads((ROOT / "uv.lock").read_text())
    unpinned = [
        package["name"]
        for package in locked["package"]
        if package["source"] != {"editable": "."}
        and (
            package["source"] != {"registry": "https://pypi.org/simple"}
            or not all(
                file["hash"].startswith("sha256:")
                for file in [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
            )
        )
    ]

    assert unpinned == []
