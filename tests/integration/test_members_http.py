"""The server for members over real connections, some of which behave badly, and the client that asks it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from oracle.core.errors import ConfigError
from oracle.network.asking import trusted
from oracle.network.client import MemberClient, MemberInvalid, MemberSilent, open_members
from oracle.network.messages import MAX_BODY, AnswerMessage, NetworkStatus, RefusalCode, Refused
from oracle.network.telling import Teller
from oracle.web.listener import Limits, listening
from oracle.web.network import member_limits, serve_members
from oracle.web.tls import Certificate
from tests.integration.servers import certificate
from tests.unit.network.node import FINGERPRINT, FIRST_TURN, Node, asked, mine
from tests.unit.network.signed import CHAIN_ID, COMMITTEE, HUB, MEMBERS, answer, report

TURN = mine(FIRST_TURN + 1)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    made = Node(tmp_path)
    made.see()
    await made.start()
    made.to_turn(TURN)
    yield made
    made.stop()


def status_of(node: Node) -> NetworkStatus:
    return NetworkStatus(
        node.address, CHAIN_ID, HUB, COMMITTEE, 1, FINGERPRINT, TURN, node.clock(), ("reporter",), "1.0"
    )


@pytest.fixture
async def port(node: Node) -> AsyncIterator[int]:
    async with serve_members(("127.0.0.1", 0), node.member, node.heard, lambda: status_of(node)) as port:
        yield port


@contextlib.asynccontextmanager
async def way_to(port: int, timeout_s: float = 5.0, scheme: str = "http") -> AsyncIterator[MemberClient]:
    url = f"{scheme}://127.0.0.1:{port}"
    async with open_members([("bravo", MEMBERS[1], url)], timeout_s=timeout_s) as ways:
        yield ways[MEMBERS[1]]


@pytest.fixture
async def client(port: int) -> AsyncIterator[MemberClient]:
    async with way_to(port) as made:
        yield made


@pytest.fixture
async def session(port: int) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as made:
        yield made


def now(node: Node) -> int:
    return int(node.clock())


# --- as it should be ---


async def test_a_member_is_asked_told_and_says_who_it_is(client: MemberClient, node: Node) -> None:
    found = await client.ask(asked(report(now(node))))
    assert found.signer(CHAIN_ID, HUB) == node.address and found.answers == (100, 200)
    assert await client.ask(asked(report(now(node)))) == found
    other = answer(MEMBERS[2], report(now(node)), (1, 2))
    await client.tell(other)
    await client.tell(other)
    assert node.heard.of(report(now(node))) == {node.address: found, MEMBERS[2]: other}
    assert await client.status() == status_of(node)


async def test_members_tell_each_other_what_they_sign(node: Node, port: int, tmp_path: Path) -> None:
    async with way_to(port) as client:
        teller = Teller({MEMBERS[1]: client})
        sending = asyncio.create_task(teller.run())
        message = answer(MEMBERS[2], report(now(node)), (1, 2))
        with node.heard.watch(message.report) as event:
            teller.tell(message)
            async with asyncio.timeout(60):
                await event.wait()
        sending.cancel()
    assert node.heard.of(message.report) == {MEMBERS[2]: message}


async def test_a_connection_serves_several_questions(client: MemberClient, node: Node) -> None:
    await client.status()
    connector = client._session.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    kept = [id(each[0].transport) for pool in connector._conns.values() for each in pool]
    await client.ask(asked(report(now(node))))
    assert [id(each[0].transport) for pool in connector._conns.values() for each in pool] == kept and len(kept) == 1


async def test_a_connection_that_the_member_has_closed_is_opened_again(node: Node) -> None:
    limits = Limits(idle_s=0.05)
    member, heard = node.member, node.heard
    async with (
        serve_members(("127.0.0.1", 0), member, heard, lambda: status_of(node), limits=limits) as port,
        way_to(port) as client,
    ):
        for _ in range(3):
            await client.status()
            # Until the server has closed it, as the client sees or does not see.
            await asyncio.sleep(0.1)
        assert (await client.ask(asked(report(now(node))))).answers == (100, 200)


async def test_a_transmitter_alone_gives_no_answers(node: Node) -> None:
    async with serve_members(("127.0.0.1", 0), None, node.heard, lambda: status_of(node)) as port, way_to(port) as way:
        with pytest.raises(Refused, match="transmitter only"):
            await way.ask(asked(report(now(node))))


async def test_further_routes_are_served(node: Node) -> None:
    async def extra(request: web.Request) -> web.Response:
        return web.Response(body=b"more")

    routes = [web.get("/v1/extra", extra)]
    member, heard = node.member, node.heard
    async with (
        serve_members(("127.0.0.1", 0), member, heard, lambda: status_of(node), routes=routes) as port,
        way_to(port) as client,
    ):
        assert await client.get("/v1/extra", 10) == b"more"


async def test_with_tls_only_whoever_is_trusted_is_asked(node: Node, tmp_path: Path) -> None:
    file = certificate(tmp_path)
    served = Certificate(file, file, "network")
    member, heard = node.member, node.heard
    async with serve_members(("127.0.0.1", 0), member, heard, lambda: status_of(node), certificate=served) as port:
        url = [("bravo", MEMBERS[1], f"https://localhost:{port}")]
        async with open_members(url, timeout_s=5, authorities=trusted(file)) as ways:
            assert (await ways[MEMBERS[1]].ask(asked(report(now(node))))).answers == (100, 200)
        async with open_members(url, timeout_s=5) as ways:
            with pytest.raises(MemberSilent, match=r"certificate|verif"):
                await ways[MEMBERS[1]].status()
        async with way_to(port) as client:
            with pytest.raises(MemberSilent):
                await client.status()
        # Both sides learn of another certificate while they run.
        async with open_members(url, timeout_s=5, authorities=trusted(file)) as ways:
            await ways[MEMBERS[1]].status()
            certificate(tmp_path)
            await ways[MEMBERS[1]].status()
            file.write_bytes(b"rubbish")
            await ways[MEMBERS[1]].status()
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(ConfigError, match="PEM"):
        trusted(tmp_path / "no.pem")


# --- requests that are refused ---


async def test_each_refusal_has_its_code_and_its_status(session: aiohttp.ClientSession, node: Node) -> None:
    async def refusal(body: bytes, path: str = "/v1/report") -> tuple[int, str]:
        async with session.post(path, data=body) as found:
            document = await found.json()
            assert set(document) == {"error", "detail"} and found.headers["Cache-Control"] == "no-store"
            return found.status, document["error"]

    def text(document: object) -> bytes:
        return json.dumps(document).encode()

    time = now(node)
    good = asked(report(time))
    assert await refusal(b"") == (400, "malformed")
    assert await refusal(b"\xff\xfe garbage") == (400, "malformed")
    assert await refusal(b"[" * 50_000) == (400, "malformed")
    assert await refusal(text({**good.to_json(), "more": 1})) == (400, "malformed")
    assert await refusal(text(replace(good, signature=bytes(65)).to_json())) == (400, "malformed")
    assert await refusal(b" " * (MAX_BODY + 1)) == (413, "too_large")
    assert await refusal(text(asked(report(time), MEMBERS[2]).to_json())) == (403, "not_your_turn")
    assert await refusal(text(asked(report(time), chain_id=1).to_json())) == (403, "unknown_member")
    assert await refusal(text(asked(report(time), hub="0x" + "11" * 20).to_json())) == (403, "unknown_member")
    assert await refusal(text(asked(report(time, committee=2)).to_json())) == (409, "wrong_committee")
    assert await refusal(text(asked(report(time, epoch=2)).to_json())) == (409, "wrong_epoch")
    assert await refusal(text(asked(report(time, rounds=(3, 7))).to_json())) == (409, "wrong_round")
    assert await refusal(text(asked(report(time - 9), deadline=time + 9).to_json())) == (409, "not_now")
    assert await refusal(text(asked(report(time + 9)).to_json())) == (409, "not_now")
    assert await refusal(text(good.to_json()), "/v1/answer") == (400, "malformed")
    forged = replace(answer(MEMBERS[2], report(time), (1, 2)), reporter=MEMBERS[3])
    assert await refusal(text(forged.to_json()), "/v1/answer") == (403, "unknown_member")
    assert node.told == []
    for path in ("/", "/v1/report", "/v1/other", "/metrics", "/v1/network/x"):
        assert (await session.get(path)).status in (404, 405)


async def test_a_replayed_request_gets_the_same_answer_and_costs_its_signer_nothing(
    session: aiohttp.ClientSession, node: Node
) -> None:
    body = json.dumps(asked(report(now(node))).to_json()).encode()
    found = []
    for _ in range(100):
        async with session.post("/v1/report", data=body) as response:
            found.append(AnswerMessage.parse(await response.read()))
    assert len(set(map(repr, found))) == 1 and len(node.told) == 1 and node.evidence.faults == []


# --- connections that behave badly ---


async def test_an_endless_body_is_cut_off(node: Node) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b" " * 1_000

    limits = replace(member_limits(4), head_s=0.2)
    member, heard = node.member, node.heard
    async with (
        serve_members(("127.0.0.1", 0), member, heard, lambda: status_of(node), limits=limits) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        session.post("/v1/report", data=endless()) as found,
    ):
        assert found.status == 413


async def test_a_body_that_does_not_come_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.web.bodies.BODY_DEADLINE_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v1/answer HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{")
    await writer.drain()
    assert (await reader.readline()).split()[1] == b"408"
    writer.close()


async def test_slow_heads_do_not_keep_a_member_out(node: Node) -> None:
    limits = replace(member_limits(4), head_s=0.2, per_address=4)
    member, heard = node.member, node.heard
    async with serve_members(("127.0.0.1", 0), member, heard, lambda: status_of(node), limits=limits) as port:
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        for _, writer in slow:
            writer.write(b"POST /v1/report HT")
        async with way_to(port, 1.0) as client, asyncio.timeout(60):
            while True:
                with contextlib.suppress(MemberSilent):
                    assert (await client.ask(asked(report(now(node))))).answers == (100, 200)
                    break
                await asyncio.sleep(0.05)
        for _, writer in slow:
            writer.close()


async def test_one_address_can_not_have_all_connections(node: Node) -> None:
    """The other address is this machine, too, under another name."""
    member, heard = node.member, node.heard
    limits = member_limits(6)
    async with serve_members(("127.0.0.1", 0), member, heard, lambda: status_of(node), limits=limits) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for reader, writer in held:
            writer.write(b"GET /v1/network HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).split()[1] == b"200"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b"", "the fourth of one address is closed"
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0))
        writer.write(b"GET /v1/network HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()
        for _, each in held:
            each.close()


async def test_a_flood_from_one_address_is_refused_and_does_not_fill_the_log(node: Node) -> None:
    member, heard = node.member, node.heard
    async with serve_members(("127.0.0.1", 0), member, heard, lambda: status_of(node), rate=(20, 3_600.0)) as port:
        body = json.dumps(asked(report(now(node)), MEMBERS[2]).to_json()).encode()
        with capture_logs() as logs:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                found = [(await session.post("/v1/report", data=body)).status for _ in range(60)]
                answered = await session.post("/v1/report", data=body)
                assert int(answered.headers["Retry-After"]) >= 1
                for each in range(30):
                    assert (await session.get(f"/v1/{each}")).status == 429
        assert found == [403] * 20 + [429] * 40
        assert len([each for each in logs if each["event"] == "request refused"]) == 3, "one line for each kind"
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0))
        good = json.dumps(asked(report(now(node))).to_json()).encode()
        writer.write(b"POST /v1/report HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(good), good))
        assert (await reader.readline()).split()[1] == b"200", "a member at another address is answered"
        writer.close()


# --- members that behave badly ---


@contextlib.asynccontextmanager
async def strange(reply: object) -> AsyncIterator[MemberClient]:
    async def handle(request: web.Request) -> web.StreamResponse:
        await request.read()
        return await reply(request)  # type: ignore[operator,no-any-return]

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    async with listening(application, ("127.0.0.1", 0), "strange") as port, way_to(port, 0.5) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b"", 200, "it is empty"),
        (b"<html>", 200, "not JSON"),
        (b"{}", 200, "'reporter' is missing"),
        (b"x" * (MAX_BODY + 1), 200, "more than 65,536 bytes"),
        (b"Not Found", 404, "answers 404"),
        (b'{"error": "no_such", "detail": "x"}', 409, "answers 409"),
        (b"", 302, "answers 302"),
        (b"", 500, "answers 500"),
    ],
)
async def test_what_is_no_answer_is_said_in_one_line(body: bytes, status: int, told: str) -> None:
    async def reply(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, headers={"Location": "http://127.0.0.1:1/"})

    async with strange(reply) as client:
        with pytest.raises(MemberInvalid, match=told):
            await client.ask(asked(report(1_700_000_000)))


async def test_an_answer_that_does_not_end_is_given_up() -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(OSError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.01)
        return response

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(OSError):
            while True:
                await response.write(b" " * 65_536)
        return response

    async with strange(drip) as client:
        with pytest.raises(MemberSilent, match="no answer in time"):
            await client.ask(asked(report(1_700_000_000)))
    async with strange(flood) as client:
        with pytest.raises(MemberInvalid, match="more than"):
            await client.ask(asked(report(1_700_000_000)))


async def test_a_compressed_answer_is_unpacked_up_to_the_limit() -> None:
    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.Response(body=b" " * 1_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with strange(reply) as client:
        with pytest.raises(MemberInvalid, match="its answer has more than 65,536 bytes"):
            await client.ask(asked(report(1_700_000_000)))


async def test_nobody_there_is_said_without_an_address() -> None:
    async with way_to(1, 0.5) as client:
        with pytest.raises(MemberSilent) as error:
            await client.status()
    assert "127.0.0.1" not in str(error.value) and str(error.value)


async def test_refusals_come_back_as_what_they_are(client: MemberClient, node: Node) -> None:
    with pytest.raises(Refused) as refused:
        await client.ask(asked(report(now(node)), MEMBERS[3]))
    assert refused.value.code is RefusalCode.NOT_YOUR_TURN and MEMBERS[3] in refused.value.detail
