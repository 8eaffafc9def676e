"""The benchmarks in short, and that they would notice what is wrong. The long run is make bench."""

import json
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks import plot
from benchmarks.figures import Spread
from benchmarks.load import Load, burst, closed_loop, constant_arrival, percentile
from benchmarks.measuring import measured
from benchmarks.processes import Cores
from benchmarks.provider import Counters, holder, listed
from benchmarks.results import Machine, Result, Results, Soak
from benchmarks.scenarios import (
    LATENCY,
    Bench,
    lists_of_cards,
    many_cards,
    new_cards,
    unique_cards,
)
from benchmarks.soak import Watch
from benchmarks.systems import ROOT, ProviderProcess, Site, System
from benchmarks.table import RESULTS, table
from benchmarks.verdict import judge
from benchmarks.wire import Refused, WrongAnswer
from benchmarks.workloads import ALIASES, Workload, new_id
from tests.unmeasured import unmeasured
from tests.waiting import PATIENCE

pytestmark = pytest.mark.process

ANYWHERE = Cores(frozenset(), frozenset())
CARD = "/v1/cards/ae61c362-4136-49af-8e01-544457fe265b"
MACHINE = Machine(cores=2, cpu="one", pinned=True, python="CPython", libraries={})
SIGNED = {"Authorization": "Bearer x", "Signature": "sig=:x:", "Signature-Input": "sig=()"}

PLAIN: dict[str, Any] = {"trust_env": False, "timeout": PATIENCE}
Answer = Callable[[str], tuple[int, bytes]]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProviderProcess]:
    """The constant provider, as a process."""
    with (
        unmeasured(),
        closing(ProviderProcess(tmp_path_factory.mktemp("provider"), ANYWHERE)) as process,
    ):
        yield process


@pytest.fixture(scope="module")
def bench(provider: ProviderProcess, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """What a short scenario needs."""
    site = Site(tmp_path_factory.mktemp("bench"), provider.url, ANYWHERE)
    return Bench(site, provider, seconds=0.4)


def test_a_short_run_is_right(bench: Bench) -> None:
    """Of the gateway and its peers each answer is the one asked for, and each call is signed."""
    site = bench.site
    starts = (site.gateway, partial(site.peer, "naive"), partial(site.peer, "limit"))
    with unmeasured(), ExitStack() as stack:

        def begin(start: Callable[[], System]) -> System:
            system = start()
            stack.callback(system.stop)
            return system

        with ThreadPoolExecutor() as pool:
            systems = list(pool.map(begin, starts))
        read = {system.name: unique_cards(bench, system) for system in systems}
        issued = new_cards(bench, systems[0])
        whole = many_cards(bench, systems[0])
        lists = [lists_of_cards(bench, system) for system in (systems[0], systems[2])]
    for figures in (issued, *lists, *read.values()):
        assert (figures["errors"], figures["calls_per_request"]) == (0, 1)
    assert read.keys() == {"gateway", "naive", "limit"}
    assert whole["calls_per_request"] == ALIASES
    assert whole["most_in_flight"] <= ALIASES
    assert whole["p50"] >= LATENCY


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmarks as a user does."""
    with unmeasured():
        return subprocess.run(
            [sys.executable, "-m", "benchmarks", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )


def test_the_command_keeps_and_draws_what_it_measured(tmp_path: Path) -> None:
    """A run of one scenario leaves the results of the others as they were."""
    file = tmp_path / "results.json"
    earlier = result("a", gateway={"rate": [10.0, 12.0]}, naive={"rate": [1.0]})
    Results({"a": earlier}).save(file)
    done = command("--only", "h", "--runs", "1", "--out", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seconds to the first answer" in done.stdout
    kept = Results.load(file).scenarios
    assert kept.keys() == {"a", "h"}
    assert kept["a"] == earlier
    assert kept["h"].systems["gateway"]["start"].median > 0
    assert "this gateway" in file.with_suffix(".svg").read_text()
    assert socket.gethostname() not in file.read_text()
    assert str(ROOT) not in file.read_text()


def test_the_command_fails_on_a_wrong_answer(tmp_path: Path) -> None:
    """A gateway that answers with another card makes the run worth nothing, in a sentence."""
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "__init__.py").touch()
    (tmp_path / "gateway" / "__main__.py").write_text(_WRONG_GATEWAY)
    done = command("--only", "h", "--runs", "1", "--short", "--gateway-from", str(tmp_path))
    assert done.returncode == 1
    assert "The run is worth nothing." in done.stdout
    assert "was asked for" in done.stdout


_WRONG_GATEWAY = """
import http.server

class Wrong(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = b'{"data": {"card": {"id": "another", "name": "Holder another"}}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.HTTPServer(("127.0.0.1", 0), Wrong)
print(f"Serving http://127.0.0.1:{server.server_port}/graphql", flush=True)
server.serve_forever()
"""


class Server(ThreadingHTTPServer):
    """One that says nothing when a load has ended before its answer."""

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """A server that answers each id as it is told; its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, text = answer(json.loads(body)["variables"]["id"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def right(card_id: str) -> tuple[int, bytes]:
    """What must be answered."""
    card = {"id": card_id, "name": holder(card_id)}
    return 200, json.dumps({"data": {"card": card}}).encode()


def mixed_up(card_id: str) -> tuple[int, bytes]:
    """The right id on another card."""
    card = {"id": card_id, "name": holder(new_id())}
    return 200, json.dumps({"data": {"card": card}}).encode()


REFUSALS: dict[str, tuple[int, bytes]] = {
    "HTTP 503": (503, b"{}"),
    "with errors": (200, b'{"data": {"card": null}, "errors": [{"message": "no"}]}'),
}
WRONG: dict[str, Answer] = {
    "was asked for": lambda _: right(new_id()),
    "Card .* the answer is": mixed_up,
    "cannot be read": lambda _: (200, b'{"data": {"card": null}}'),
    **{words: partial(lambda given, _: given, given) for words, given in REFUSALS.items()},
}


@pytest.mark.parametrize("words", WRONG)
def test_one_wrong_answer_ends_a_load(words: str) -> None:
    """Whatever is not the card that was asked for is an exception that says so."""
    with answering(WRONG[words]) as url, pytest.raises(WrongAnswer, match=words):
        closed_loop(url, Workload(url).unique_cards(), seconds=PATIENCE, connections=2)


@pytest.mark.parametrize("wrong", ["one is missing", "another account's", "another card's name"])
def test_a_wrong_list_is_no_answer(wrong: str) -> None:
    """Only the whole list of the account that was asked for passes as an answer."""
    ask = next(Workload("http://127.0.0.1").lists())
    account_id = json.loads(ask.wire.partition(b"\r\n\r\n")[2])["variables"]["accountId"]
    cards = listed_cards(account_id)
    ask.check(json.dumps({"data": {"cards": cards}}).encode())
    if wrong == "one is missing":
        del cards[7]
    elif wrong == "another account's":
        cards = listed_cards(new_id())
    else:
        cards[-1]["name"] = holder(new_id())
    with pytest.raises(WrongAnswer):
        ask.check(json.dumps({"data": {"cards": cards}}).encode())


def test_callers_take_turns() -> None:
    """Each caller's token goes with its share of the requests, each of which is another one."""
    asks = Workload("http://127.0.0.1").cards_of_callers(["one", "two"])
    sent = [next(asks).wire for _ in range(4)]
    tokens = [wire.partition(b"Bearer ")[2].partition(b"\r\n")[0] for wire in sent]
    assert tokens == [b"one", b"two"] * 2
    assert len(set(sent)) == 4


def listed_cards(account_id: str) -> list[dict[str, str]]:
    """What must be listed of an account."""
    return [{"id": each, "name": holder(each)} for each in listed(account_id)]


def test_a_closed_connection_is_no_answer() -> None:
    """A request whose connection is closed before the answer fails the load."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        closer = threading.Thread(target=lambda: server.accept()[0].close())
        closer.start()
        with pytest.raises(Refused, match="closed before the answer"):
            closed_loop(url, Workload(url).unique_cards(), seconds=PATIENCE, connections=1)
        closer.join()


def test_a_burst_counts_errors_and_still_refuses_wrong_answers() -> None:
    """500 callers may be refused, and are counted; another one's card is still no answer."""
    with answering(lambda _: REFUSALS["HTTP 503"]) as url:
        load = burst(url, Workload(url).unique_cards(), callers=3)
    assert (load.errors, load.answered) == (3, 0)
    with answering(right) as url:
        load = burst(url, Workload(url).unique_cards(), callers=3)
    assert (load.errors, load.answered) == (0, 3)
    with answering(mixed_up) as url, pytest.raises(WrongAnswer, match="the answer is"):
        burst(url, Workload(url).unique_cards(), callers=3)


def test_a_stall_delays_all_that_were_due_meanwhile() -> None:
    """Latency counts from when a request was due: a stall shows in all of them, not in one."""
    stalled = threading.Lock()
    first = iter([0.4])

    def stall(card_id: str) -> tuple[int, bytes]:
        with stalled:
            time.sleep(next(first, 0))
        return right(card_id)

    with answering(stall) as url:
        load = constant_arrival(url, Workload(url).unique_cards(), rate=100, seconds=0.8)
    assert load.answered == 80
    assert sum(latency > 0.2 for latency in load.latencies) >= 20
    assert percentile(load.latencies, 1) >= 0.4


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 5), (0.9, 9), (0.99, 10), (0.901, 10), (1, 10), (0.01, 1)]
)
def test_percentiles_are_the_nearest_rank(share: float, value: float) -> None:
    """The least value that so many do not exceed, whatever the order."""
    assert percentile([10, 1, 9, 2, 8, 3, 7, 4, 6, 5], share) == value


def test_the_provider_refuses_what_is_not_signed(provider: ProviderProcess) -> None:
    """A call without one of the headers gets 401 and is counted; it is no card read."""
    provider.reset(0)
    for missing in SIGNED:
        headers = {name: value for name, value in SIGNED.items() if name != missing}
        assert httpx.get(provider.url + CARD, headers=headers, **PLAIN).status_code == 401
    path = f"{provider.url}/v1/accounts/{new_id()}/cards"
    assert httpx.post(path, headers=SIGNED, json={}, **PLAIN).status_code == 401
    counters = provider.counters()
    assert (counters.refused, counters.reads, counters.creates) == (4, 0, 0)


def test_an_unsigned_call_fails_the_run(provider: ProviderProcess) -> None:
    """A system that does not sign is not measured, however right its answers are."""
    system = System("careless", provider.url, provider.process)

    def load() -> Load:
        httpx.get(provider.url + CARD, **PLAIN)
        return Load(1, [0.1], 1)

    with pytest.raises(WrongAnswer, match="careless: 1 provider calls were not signed"):
        measured(system, provider, 0, load)


def three_reads(provider: ProviderProcess, latency: float) -> Counters:
    """What the provider counts of three reads, two of them for one card; milliseconds."""
    provider.reset(latency)
    get = partial(httpx.get, headers=SIGNED, **PLAIN)
    threads = [
        threading.Thread(target=get, args=(f"{provider.url}/v1/cards/{card_id}",))
        for card_id in (new_id(), "hot", "hot")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return provider.counters()


def test_the_provider_knows_how_many_calls_overlap(provider: ProviderProcess) -> None:
    """In all, and for one card; and a repeated key makes no second card."""
    for latency in (100, 1_000, 10_000):  # the first in which a busy machine sends all three
        counters = three_reads(provider, latency)
        if counters.most_in_flight_per_card == 2:
            break
    assert (counters.reads, counters.most_in_flight_per_card) == (3, 2)
    assert 2 <= counters.most_in_flight <= 3
    keyed = {**SIGNED, "Content-Digest": "x", "Idempotency-Key": "one"}
    url = f"{provider.url}/v1/accounts/{new_id()}/cards"
    cards = [httpx.post(url, headers=keyed, json={}, **PLAIN).json() for _ in range(2)]
    assert cards[0]["id"] == cards[1]["id"]
    assert provider.counters().keys == 1


def result(name: str, **systems: dict[str, list[float]]) -> Result:
    """A result with these runs."""
    spreads = {
        system: {figure: Spread.of(runs) for figure, runs in figures.items()}
        for system, figures in systems.items()
    }
    return Result(id=name, title=name, machine=MACHINE, seconds=1, systems=spreads)


def test_the_verdict_compares_medians_with_the_bars() -> None:
    """Met, missed and not measured are told apart."""
    found = {
        "a": result("a", gateway={"rate": [90, 100, 500]}, naive={"rate": [9]}),
        "b": result("b", gateway={"rate": [120], "most_per_card": [1, 1, 2]}),
    }
    judged = [(each.bar.what, each.reached, each.met) for each in judge(found)]
    assert ("a: rate by the naive peer's", 100 / 9, True) in judged
    assert ("a: rate by Hive Gateway's", None, None) in judged
    assert ("b: calls for the card in flight", 2, False) in judged
    assert ("b: rate by that of a", 1.2, False) in judged
    assert ("c: provider calls per document", None, None) in judged


def test_the_picture_shows_rates_ratios_and_memory() -> None:
    """It is well-formed XML for light and dark pages, with the figures as text."""
    soaked = result("f", gateway={"memory_growth": [1.0]})
    soak = Soak(window=10, memory=[90.0] * 60, p50=[1.0] * 60, p99=[2.0] * 60)
    drawn = plot.draw(
        {
            "a": result("a", gateway={"rate": [90, 100, 110]}, naive={"rate": [9, 10, 11]}),
            "f": Result(**{name: getattr(soaked, name) for name in _FIELDS}, soak=soak),
        }
    )
    words = "".join(ET.fromstring(drawn).itertext())  # noqa: S314 - our own
    assert "10 · gateway 10×" in words
    assert "90 MiB" in words
    assert "prefers-color-scheme: dark" in words


_FIELDS = ("id", "title", "machine", "seconds", "systems")


def test_growth_compares_the_end_with_the_first_minute(provider: ProviderProcess) -> None:
    """What a soak says of memory is the ratio of two medians."""
    watch = Watch(System("soaked", "", provider.process), lambda _: None)
    watch.memory = [50.0] * 30 + [100.0] * 50 + [104.0] * 520
    assert watch.growth()["memory_growth"] == pytest.approx(1.04)


def test_the_readme_shows_the_kept_results() -> None:
    """The README's table is that of `benchmarks/results.json`, figure by figure."""
    assert table(Results.load(RESULTS).scenarios) in (ROOT / "README.md").read_text()
