"""How connections go to workers, within one process: who gets one, and what is done without."""

import gc
import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from gateway.cli.workers import Served, work
from gateway.cli.workers.channel import READY, Channel
from gateway.cli.workers.distributor import Distributor
from gateway.errors import ConfigError
from gateway.events import to_nobody
from gateway.serving import Bounds
from tests.waiting import PATIENCE


@pytest.fixture
def channels() -> Iterator[list[Channel]]:
    """The channels of two workers."""
    pair = [Channel(), Channel()]
    yield pair
    for channel in pair:
        channel.close()


@pytest.fixture
def distributor() -> Iterator[Distributor]:
    """A distributor with a listening socket of its own."""
    one = Distributor(socket.create_server(("127.0.0.1", 0)))
    yield one
    one.close()


def connect(distributor: Distributor) -> socket.socket:
    """A client whose connection has been accepted."""
    client = socket.create_connection(distributor.listener.getsockname())
    distributor.accept()
    return client


def names(channel: Channel) -> list[object]:
    """The addresses of the clients whose connections a worker takes."""
    taken = []
    while (connection := channel.take()) is not None:
        with connection:
            taken.append(connection.getpeername())
    return taken


def test_workers_get_connections_in_turn(channels: list[Channel], distributor: Distributor) -> None:
    """One connection each, in the order of their arrival."""
    clients = []
    for _ in range(4):
        clients.append(connect(distributor))
        distributor.hand_out(channels)
    first, second, third, fourth = (client.getsockname() for client in clients)
    assert [names(channel) for channel in channels] == [[first, third], [second, fourth]]
    for client in clients:
        client.close()


def test_a_worker_without_room_is_passed_over(
    channels: list[Channel], distributor: Distributor
) -> None:
    """Its connections go to the other; where none has room one is held, and no more accepted."""
    clients = []
    while not distributor.holds:
        names(channels[1])
        clients.append(connect(distributor))
        distributor.hand_out(channels[:1])
    distributor.hand_out(channels)
    assert names(channels[1]) == [clients[-1].getsockname()]
    accepts = [distributor.accepts]
    clients.append(connect(distributor))
    accepts.append(distributor.accepts)
    assert accepts == [True, False]
    for client in clients:
        client.close()


def test_what_a_worker_did_not_take_goes_to_others(
    channels: list[Channel], distributor: Distributor
) -> None:
    """A worker that leaves is given nothing more, and what waited for it is handed on."""
    with connect(distributor) as client:
        distributor.hand_out(channels[:1])
        channels[0].leave()
        assert channels[0].hear() == b""
        distributor.take_back(channels[0])
        distributor.hand_out(channels[1:])
        assert names(channels[1]) == [client.getsockname()]


def test_nothing_to_accept_is_no_error(distributor: Distributor) -> None:
    """A client may have gone before its connection was accepted."""
    distributor.accept()
    assert not distributor.holds


def test_a_connection_that_nobody_took_is_closed(distributor: Distributor) -> None:
    """At the end a client sees that its connection is closed, and does not wait."""
    with connect(distributor) as client:
        distributor.close()
        client.settimeout(PATIENCE)
        assert client.recv(1) == b""


@pytest.fixture
def process_as_before() -> Iterator[None]:
    """What a worker sets up in its process, for its whole life, is undone."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    for number, handler in handlers.items():
        signal.signal(number, handler)


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that greets."""
    if scope["type"] == "lifespan":
        for name in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{name}.complete"})
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"hello"})


def ask_and_leave(channel: Channel, answers: list[bytes]) -> None:
    """The supervisor's part: hand over a connection, read its answer, and end."""
    channel.upper.settimeout(PATIENCE)
    assert channel.hear() == READY
    ours, theirs = socket.socketpair()
    channel.give(theirs)
    with ours, ours.makefile("rb") as stream:
        ours.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answers.append(stream.read())
    channel.close_upper()


def test_a_worker_serves_its_channel_and_ends_with_the_supervisor(
    channels: list[Channel], process_as_before: None
) -> None:
    """It answers over the connections that it is given, and ends in order with their source."""
    answers: list[bytes] = []
    supervisor = threading.Thread(target=ask_and_leave, args=(channels[0], answers))
    supervisor.start()
    code = work(1, channels[0], lambda _number: Served(hello, to_nobody), Bounds.by_default())
    supervisor.join()
    assert (code, len(answers), b"hello" in answers[0]) == (0, 1, True)


def end_and_listen(channel: Channel, heard: list[bytes | None]) -> None:
    """The supervisor's part: end the worker once it is up, and note what it says."""
    channel.upper.settimeout(PATIENCE)
    heard.append(channel.hear())
    os.kill(os.getpid(), signal.SIGTERM)
    heard.append(channel.hear())


def test_a_worker_that_ends_says_so(channels: list[Channel], process_as_before: None) -> None:
    """After SIGTERM it tells the supervisor, which then gives it no more connections."""
    heard: list[bytes | None] = []
    supervisor = threading.Thread(target=end_and_listen, args=(channels[0], heard))
    supervisor.start()
    code = work(1, channels[0], lambda _number: Served(hello, to_nobody), Bounds.by_default())
    channels[0].tell(b"it has ended")
    supervisor.join()
    assert (code, heard) == (0, [READY, b""])


def fails(error: Exception) -> int:
    """The exit code of a worker whose application cannot be built."""
    channel = Channel()

    def build(_number: int) -> None:
        raise error

    try:
        return work(1, channel, build, Bounds.by_default())  # type: ignore[arg-type]
    finally:
        channel.close()


def test_a_worker_that_cannot_be_built_ends_with_a_code() -> None:
    """Refused settings are exit code 2, and a fault of the code is 1."""
    assert fails(ConfigError(["no"])) == 2
    assert fails(RuntimeError("no")) == 1
