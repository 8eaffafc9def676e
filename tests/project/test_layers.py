"""The import order of the design, proved by walking every import statement."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# Each part may import those before it, and itself.
ORDER = [
    "uuids",
    "characters",
    "card_numbers",
    "errors",
    "events",
    "turns",
    "runtime",
    "answers",
    "signing",
    "config",
    "telemetry",
    "audit",
    "callers",
    "ledger",
    "provider",
    "cards",
    "graphql",
    "http",
    "serving",
    "storage",
    "sampling",
    "reloading",
    "app",
    "diagnosis",
    "cli",
    "__main__",
]
# What a part may not import although it stands below: the engine is one for any schema.
APART = {"graphql": {"cards", "provider", "ledger", "callers", "telemetry", "config"}}
# The foreign library, and the only parts that may know it.
ONLY_IN = {
    "aiohttp": {"answers", "provider", "callers"},
    "yarl": {"provider"},
    "httpx": {"provider", "app", "cli"},
    "strawberry": {"cards", "graphql"},
    "graphql": {"graphql"},
    "aiodataloader": {"cards"},
    "awscrt": {"signing"},
    "cryptography": {"signing"},
    "http_sf": {"signing"},
    "jwt": {"callers"},
    "apsw": {"ledger"},
    "opentelemetry": {"telemetry"},
    "prometheus_client": {"telemetry"},
    "psycopg": {"ledger"},
    "valkey": {"callers"},
    "typer": {"cli"},
    "uvicorn": {"serving"},
    "httptools": {"serving"},
    "pydantic": {"config"},
    "dotenv": {"config"},
    "structlog": {"telemetry", "config", "cli"},
}


def imports(path: Path) -> Iterator[str]:
    """The full names of all modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(path: Path) -> str:
    """The package, or the module beside the packages, that a file belongs to."""
    return path.relative_to(ROOT / "gateway").parts[0].removesuffix(".py")


FILES = sorted((ROOT / "gateway").rglob("*.py"))


def parts(path: Path) -> set[str]:
    """The parts of the gateway that a file imports."""
    found = {name.split(".")[1] for name in imports(path) if name.startswith("gateway.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    """No file imports a part of the gateway that stands above its own."""
    part = part_of(path)
    if part == "emulator":
        allowed = {"emulator", "signing", "errors", "uuids"}
    elif part in {"cli", "__main__"}:
        allowed = {*ORDER, "emulator"}
    else:
        allowed = {"", *ORDER[: ORDER.index(part) + 1]} if part in ORDER else set()
    allowed -= APART.get(part, set())
    assert parts(path) <= allowed


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_foreign_libraries_stay_in_their_package(path: Path) -> None:
    """A library that one package was given is imported in that package only."""
    for name in imports(path):
        owners = ONLY_IN.get(name.split(".")[0])
        assert owners is None or part_of(path) in owners, name


WHOLE = {f"gateway.config.{name}" for name in ("Settings", "DevSettings", "ServeSettings")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_part_is_given_its_own_group_of_settings(path: Path) -> None:
    """Only the composition root and the commands know the class that has all settings."""
    assert part_of(path) in {"config", "reloading", "app", "cli"} or not WHOLE & set(imports(path))


def loaded_by(module: str) -> set[str]:
    """The modules that are loaded once this one is imported."""
    code = f"import sys, {module}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(result.stdout.split())


@pytest.mark.process
def test_importing_the_package_imports_no_server() -> None:
    """`import gateway` costs nothing: no server, no GraphQL, no HTTP client."""
    loaded = loaded_by("gateway")
    assert not loaded & {"uvicorn", "starlette", "strawberry", "graphql", "httpx"}


@pytest.mark.process
def test_the_help_waits_for_no_server() -> None:
    """`gateway --help` imports neither server, GraphQL, HTTP client nor settings, and is fast."""
    loaded = loaded_by("gateway.cli")
    assert not loaded & {"uvicorn", "starlette", "strawberry", "graphql", "httpx", "pydantic"}


def test_tests_lie_where_their_package_is_named() -> None:
    """Tests are in a folder with a package's name, in end_to_end or in project, and named once."""
    files = list((ROOT / "tests").rglob("test_*.py"))
    packages = {path.parent.name for path in (ROOT / "gateway").glob("*/__init__.py")}
    assert {path.parent.name for path in files} == packages | {"end_to_end", "project"}
    assert len({path.name for path in files}) == len(files)
