"""Fixtures that many tests share, and what holds for all of them."""

import contextlib
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest
import structlog

from gateway.cli import run as run_command_line
from tests.commands import Command
from tests.postgres import Cluster, cluster
from tests.stack import Stack, running
from tests.unmeasured import unmeasured

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so would the commands
# that they start; what is handled here is at its default in those.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How many examples a property is tried with: `make test` takes few and always the same ones,
# `make test-long` many and other ones each time. How long one takes says nothing of the code.
hypothesis.settings.register_profile(
    "short",
    max_examples=100,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "long",
    hypothesis.settings.get_profile("short"),
    max_examples=2_000,
    derandomize=False,
)
hypothesis.settings.load_profile("short")


_unmarked: list[str] = []  # the test that runs, where it has no marker that permits a process


def _refuse_processes(event: str, _arguments: object) -> None:
    """An audit hook: `make check` is fast, since no other test starts a process."""
    if event == "subprocess.Popen" and _unmarked:
        raise AssertionError(f"{_unmarked[0]} starts a process: give it the marker `process`")


sys.addaudithook(_refuse_processes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let only tests with the marker `process` or `browser` start processes.

    What is slow takes six times as long where it is measured, and covers what other tests do.
    """
    _unmarked[:] = [] if _is(item, "process", "browser") else [item.nodeid]
    with unmeasured() if _is(item, "slow", "hypothesis", "browser") else contextlib.nullcontext():
        result = yield
    _unmarked.clear()
    return result


def _is(item: pytest.Item, *markers: str) -> bool:
    return any(item.get_closest_marker(marker) for marker in markers)


@pytest.fixture(scope="module", autouse=True)
def _what_stays_is_no_garbage() -> None:
    """Keep what was imported, and what earlier modules left for good, out of the collections.

    Those that follow each test are fast then: what they look through is what this module made.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _leaks_are_reported_where_they_happen(_what_stays_is_no_garbage: None) -> Iterator[None]:
    """Collect what a test leaves behind before the next one begins.

    A socket or a transport that was never closed says so when it is collected. Were that left to
    chance, the warning would fail whichever test runs by then.
    """
    yield
    # After a failure the traceback still holds the frames of the test, and what they opened.
    for name in ("last_exc", "last_value", "last_traceback"):
        with contextlib.suppress(AttributeError):
            delattr(sys, name)
    gc.collect()


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    """A gateway in front of an emulator with its default options."""
    async with running() as stack:
        yield stack


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A server for all tests of this process that ask for one; each makes its own database."""
    with cluster() as server:
        yield server


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    """The URL of an empty database."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """What a command sets up for its log writes to streams that end with the test."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def command(
    logging_as_before: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Command:
    """Run a command line in this process: its exit code, and what it printed on both streams."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))

    def in_this_process(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["gateway", *arguments])
        with pytest.raises(SystemExit) as ended:
            run_command_line()
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out + printed.err

    return in_this_process
