"""Tests of the claims service over real connections: who is admitted, what is kept, and the four cases of the demo."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import onnx
import pytest
from click.testing import CliRunner
from eth_account import Account
from onnx import numpy_helper
from pytest_httpserver import HTTPServer
from structlog.testing import capture_logs

from oracle.app.claim_service import run
from oracle.app.claim_service.desk import ServingDesk
from oracle.app.claim_service.metrics import ClaimMetrics
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.claims import AtLeast, ChangeBetween, ClaimProof, Earlier, ModelSpec, ZkmlClient, demo
from oracle.claims.attestation import Attested
from oracle.claims.client import ClaimNotMet
from oracle.claims.issuing import issue
from oracle.claims.onchain import Registry
from oracle.claims.service import ClaimsService
from oracle.claims.service import client as service_client
from oracle.claims.service.documents import JobDocument, JobState
from oracle.claims.service.issuers import TrustedIssuers
from oracle.claims.service.jobs import Job, JobBook
from oracle.claims.statement import ClaimBound, ClaimTerms, new_salt
from oracle.cli import oracle
from oracle.config import load_claim_service
from oracle.core.errors import ConfigError, DataError, ProofInvalid, ProverCrashed, ProverUnavailable
from oracle.core.trust import Trust
from oracle.proving.interface import Proof, ProofJob
from oracle.web.claims import server as claim_server
from oracle.web.claims.operations import OPERATIONS
from oracle.web.claims.server import serve_claims
from oracle.web.tls import Certificate
from tests import circuits
from tests.claim_models import several
from tests.integration.servers import certificate
from tests.leaks import leaks

SUBJECT = "0x" + "Ab" * 20
OTHER = "0x" + "cd" * 20
REGISTRY = "0x" + "12" * 20
CHAIN = 31_337
TOKENS = {"desk": b"d" * 32, "clinic": b"c" * 32}
FAR = (1 << 40) - 1
ISSUER = Account.from_key(b"\1" * 32)
ISSUERS = TrustedIssuers(CHAIN, REGISTRY, {ISSUER.address})
STRANGER = Account.from_key(b"\2" * 32)


@pytest.fixture(scope="module")
def client() -> Iterator[ZkmlClient]:
    with ZkmlClient(circuits.folder()) as made:
        for name in ("credit", "identity"):
            made.register_model(ModelSpec.packaged(name))
        yield made


@pytest.fixture(scope="module")
def inputs(client: ZkmlClient) -> dict[str, Any]:
    return demo.example(client.registered("credit"), 0.62, 0.73)


class GatedProver:
    """A prover whose proofs end when the test says so, and are none."""

    def __init__(self) -> None:
        self.jobs: list[ProofJob] = []
        self.cancelled = 0
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def prove(self, job: ProofJob, *, wait: bool = True) -> Proof:
        self.jobs.append(job)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return Proof(b"\5" * 64, (), "", 0.25)

    async def warm(self) -> int:
        return 0

    async def close(self) -> None:
        pass


@dataclass
class Served:
    """A service with a gated prover."""

    port: int
    desk: ServingDesk
    book: JobBook
    metrics: ClaimMetrics
    prover: GatedProver
    session: aiohttp.ClientSession
    inputs: dict[str, Any]

    def body(self, **change: Any) -> dict[str, Any]:
        """Return a request."""
        made = {"model": "credit", "inputs": self.inputs, "salt": [5, 6, 7], "constraint": {"at_least": 0.6}}
        return {**made, "subject": SUBJECT} | change

    async def ask(
        self, method: str, path: str, token: str | None = None, body: Any = None, **options: Any
    ) -> tuple[int, Any]:
        """Return status and body of an answer. Bodies of events are none."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self.session.request(method, path, headers=headers, json=body, **options) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def job(self, token: str | None = "d" * 32, **change: Any) -> dict[str, Any]:
        """Return a job that was taken."""
        status, found = await self.ask("POST", "/v1/claims", token, self.body(**change))
        assert status == 202, found
        return dict(found)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(60):
            while not holds():  # noqa: ASYNC110 - there is no event for what holds
                await asyncio.sleep(0.005)


@pytest.fixture
def serving(client: ZkmlClient, inputs: dict[str, Any]) -> Any:
    """Return a function that opens a service: `async with serving(per_caller=2) as served`."""

    @asynccontextmanager
    async def open_service(
        *,
        queue: int = 8,
        workers: int = 1,
        per_caller: int = 8,
        rate: int = 10_000,
        max_per_day: int = 1_000,
        keep_s: float = 60,
        max_body: int = 65_536,
        issuers: TrustedIssuers | None = ISSUERS,
        tls: Certificate | None = None,
        client: ZkmlClient = client,
        model: str = "credit",
    ) -> AsyncIterator[Served]:
        prover = GatedProver()
        book = JobBook(queue=queue, workers=workers, per_caller=per_caller, keep_s=keep_s, most_kept=100)
        metrics = ClaimMetrics([model], book.counts, lambda: book.is_stopping)
        desk = ServingDesk(
            client, {model: prover}, book, metrics, workers=workers, max_per_day=max_per_day, issuers=issuers
        )
        tokens = {name: partial(bytes, token) for name, token in TOKENS.items()}
        server = serve_claims(
            ("127.0.0.1", 0), desk, callers=tokens, max_per_minute=rate, max_body=max_body, events=metrics,
            certificate=tls,
        )  # fmt: skip
        scheme = "http" if tls is None else "https"
        async with server as port, aiohttp.ClientSession(f"{scheme}://127.0.0.1:{port}") as session:
            try:
                yield Served(port, desk, book, metrics, prover, session, inputs)
            finally:
                await desk.stop(0)

    return open_service


def attested(
    client: ZkmlClient, data: dict[str, Any], account: Any = ISSUER, **change: Any
) -> tuple[Attested, list[int]]:
    """Return an attestation of data, and the salt."""
    model = client.registered("credit")
    terms: dict[str, Any] = {"chain_id": CHAIN, "registry": REGISTRY, "subject": SUBJECT, "expires_at": FAR} | change
    model_id = terms.pop("model_id", model.model_id)
    told, private = issue(client, account, model.spec, model_id, data, **terms)
    return told, private["salt"]


# --- who is admitted -----------------------------------------------------------------------------------------------


@pytest.mark.attack
async def test_strangers_are_refused_and_nothing_of_theirs_is_read_as_a_caller(
    serving: Any, client: ZkmlClient
) -> None:
    async with serving() as served:
        told, salt = attested(client, served.inputs)
        with_attestation = served.body(salt=salt, attestation=told.document())
        for token in ("", "d" * 31, "d" * 33, "D" * 32, "d" * 32 + "c" * 32, "c" * 16, "ä" * 32):
            for body in (served.body(), with_attestation):
                status, _ = await served.ask("POST", "/v1/claims", token, body)
                assert status == 401, "a wrong token does not fall back to an attestation"
        assert (await served.ask("POST", "/v1/claims", None, served.body()))[0] == 401
        assert served.book.counts() == (0, 0, 0) and served.prover.jobs == []


@pytest.mark.attack
async def test_an_attestation_admits_only_who_has_its_data(serving: Any, client: ZkmlClient) -> None:
    async with serving() as served:
        told, salt = attested(client, served.inputs)
        good: dict[str, Any] = served.body(salt=salt, attestation=told.document())
        other = {**served.inputs, "duration_in_month": served.inputs["duration_in_month"] + 1}

        def signed(account: Any = ISSUER, **change: Any) -> dict[str, Any]:
            another, drawn = attested(client, served.inputs, account, **change)
            return good | {"salt": drawn, "attestation": another.document()}

        edited = told.document() | {"subject": OTHER}
        attempts = [
            # The attestation is public: whoever copies it has neither data nor salt.
            (403, good | {"inputs": other}, "of other inputs"),
            (403, good | {"salt": [1, 2, 3]}, "of another salt"),
            (403, signed(STRANGER), "issuer is not trusted"),
            (403, signed(registry=OTHER), "for another registry"),
            (403, signed(chain_id=1), "for another registry"),
            (403, signed(expires_at=1_000), "has expired"),
            (422, signed(model_id=7), "for model"),
            (422, good | {"subject": OTHER}, "for the subject"),
            (422, good | {"attestation": edited, "subject": OTHER}, "has not signed its content"),
            (422, good | {"attestation": {"format": "attestation-v1"}}, "attestation: it is not valid"),
            # The signature is of the address, and fits however that is spelled. Each would have a share of its own.
            (
                422,
                good | {"attestation": told.document() | {"subject": SUBJECT[2:]}, "subject": None},
                "not an address",
            ),
            (422, good | {"attestation": told.document() | {"registry": REGISTRY[2:]}}, "not an address"),
            (422, signed(expires_at=FAR - 5) | {"expires_at": FAR}, "after the end of the attestation"),
        ]
        for expected, body, reason in attempts:
            for token in (None, "d" * 32):
                status, answer = await served.ask("POST", "/v1/claims", token, body)
                assert (status, reason in answer["error"]) == (expected, True), (answer, reason)
        assert served.book.counts() == (0, 0, 0) and served.prover.jobs == []
        # The control: the same request as its issuer signed it.
        job = await served.job(None, salt=salt, attestation=told.document(), subject=None)
        served.prover.gate.set()
        await served.until(lambda: served.book.counts() == (0, 0, 1))
        status, answer = await served.ask("GET", f"/v1/claims/{job['id']}", job["key"])
        claim = ClaimProof.from_document(answer["claim"])
        assert (claim.attestation, claim.subject, claim.expires_at) == (told.attestation, SUBJECT, FAR)
        assert claim.commitment == told.commitment


async def test_without_issuers_only_callers_with_a_token_may_ask(serving: Any, client: ZkmlClient) -> None:
    async with serving(issuers=None) as served:
        told, salt = attested(client, served.inputs)
        status, _ = await served.ask("POST", "/v1/claims", None, served.body(salt=salt, attestation=told.document()))
        assert status == 403
        await served.job()


@pytest.mark.attack
async def test_a_job_is_its_callers_alone(serving: Any, client: ZkmlClient) -> None:
    async with serving() as served:
        told, salt = attested(client, served.inputs)
        mine = await served.job()
        theirs = await served.job(None, salt=salt, attestation=told.document())
        another = await served.job(None, salt=salt, attestation=told.document())
        assert "key" not in mine and len(theirs["key"]) > 32
        strangers = {
            mine["id"]: (None, "", "c" * 32, theirs["key"], mine["id"]),
            theirs["id"]: (None, "", "c" * 32, "d" * 32, another["key"], theirs["id"], theirs["key"][:-1]),
        }
        for name, tokens in strangers.items():
            for token in tokens:
                for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
                    status, answer = await served.ask(method, f"/v1/claims/{name}{path}", token)
                    assert status == 404, (method, path, token)
                    unknown = await served.ask(method, f"/v1/claims/{'x' * 32}{path}", token)
                    assert unknown == (404, answer), "an answer tells whether there is such a job"
        for job, token in ((mine, "d" * 32), (theirs, theirs["key"])):
            status, answer = await served.ask("GET", f"/v1/claims/{job['id']}", token)
            assert status == 200 and "key" not in answer, "a key is told once"


# --- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.attack
async def test_the_queue_and_each_caller_have_limits(serving: Any) -> None:
    async with serving(queue=1, workers=1, per_caller=1) as served:
        await served.job()
        async with served.session.post(
            "/v1/claims", json=served.body(), headers={"Authorization": f"Bearer {'d' * 32}"}
        ) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
            assert "as many jobs as a caller may have" in await answer.text()
        await served.until(lambda: len(served.prover.jobs) == 1)
        waiting = await served.job("c" * 32)
        told = await served.ask("GET", f"/v1/claims/{waiting['id']}", "c" * 32)
        assert (told[1]["state"], told[1]["ahead"]) == ("waiting", 0)
    async with serving(queue=0, workers=1) as served:
        await served.job()
        status, answer = await served.ask("POST", "/v1/claims", "c" * 32, served.body())
        assert (status, answer["error"]) == (503, "the queue is full")


@pytest.mark.attack
async def test_nobody_asks_a_private_model_without_end(serving: Any, client: ZkmlClient) -> None:
    """Each answer tells something of the model, a refusal too: a caller who bisects it has a few questions a day."""
    async with serving(max_per_day=3) as served:
        served.prover.gate.set()
        for at_least in (0.9, 0.5, 0.7):
            await served.job(constraint={"at_least": at_least})
        status, answer = await served.ask("POST", "/v1/claims", "d" * 32, served.body())
        assert (status, "in a day" in answer["error"]) == (429, True)
        # Others have shares of their own, and so has each subject that an issuer has signed for.
        await served.job("c" * 32)
        told, salt = attested(client, served.inputs)
        for _ in range(3):
            await served.job(None, salt=salt, attestation=told.document())
        again, drawn = attested(client, served.inputs)
        body = served.body(salt=drawn, attestation=again.document())
        assert (await served.ask("POST", "/v1/claims", None, body))[0] == 429, "a fresh salt is no fresh share"


@pytest.mark.attack
async def test_who_asks_too_often_waits_and_strangers_use_up_nobodys_share(serving: Any) -> None:
    async with serving(rate=3) as served:
        assert [(await served.ask("GET", "/v1/models"))[0] for _ in range(4)] == [200, 200, 200, 429]
        assert (await served.ask("POST", "/v1/claims", "wrong", served.body()))[0] == 429
        await served.job()
        assert (await served.ask("GET", "/healthz"))[0] == 429
        assert b'oracle_claim_requests_refused_total{status="429"} 3.0' in served.metrics.exposition()


@pytest.mark.attack
async def test_bodies_are_bounded_and_are_the_document_or_nothing(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "771823645"
    async with serving(max_body=2_000) as served:
        headers = {"Authorization": f"Bearer {'d' * 32}"}

        async def post(**options: Any) -> tuple[int, str]:
            async with served.session.post("/v1/claims", headers=headers, **options) as answer:
                return answer.status, await answer.text()

        async def slowly() -> AsyncIterator[bytes]:
            yield b'{"model": '
            await asyncio.sleep(5)

        attempts: dict[int, list[dict[str, Any]]] = {
            400: [
                {"data": b""},
                {"data": secret},
                {"data": f'{{"model": {secret}'},
                {"data": f'{{"model": "a", "model": "{secret}"}}'},
                {"data": b"[" * 1_900},
                {"json": served.body(extra=secret)},
                {"json": served.body(salt=[int(secret)])},
                {"data": json.dumps(served.body()).replace("[5, 6, 7]", "[NaN, 6, 7]")},
            ],
            413: [{"data": b" " * 2_001}, {"json": served.body(model="x" * 2_000)}],
            408: [{"data": slowly()}],
            422: [
                {"json": served.body(model=f"no-{secret}")},
                {"json": served.body(inputs={**served.inputs, "duration_in_month": int(secret)})},
                {"json": served.body(inputs={**served.inputs, "credit_history": f"-{secret}"})},
                {"json": served.body(inputs={})},
                {"json": served.body(inputs={f"x{at:090}": 0 for at in range(15)})},
                {"json": served.body(expires_at=1_000)},
                {"json": served.body(constraint={"classes": [3]})},
                {"json": served.body(constraint={"classes": [0, 4 * 10**9]})},
                {"json": served.body(constraint={"classes": [0, 10**300]})},
                {"json": served.body(constraint={"at_least": 0.7, "at_most": 0.6})},
                {"json": served.body(subject=None)},
                {"json": served.body(subject="0x" + "00" * 20)},
            ],
        }
        with capture_logs() as logs:
            for expected, requests in attempts.items():
                monkeypatch.setattr("oracle.web.bodies.BODY_DEADLINE_S", 0.2 if expected == 408 else 60.0)
                for each in requests:
                    status, text = await post(**each)
                    assert status == expected, (each, text)
                    assert secret not in text and 0 < len(json.loads(text)["error"]) <= 1_000
        assert secret not in str(logs)
        assert served.book.counts() == (0, 0, 0)


@pytest.mark.attack
@pytest.mark.parametrize("how", ["closed", "half closed", "reset", "malformed"])
async def test_a_body_that_breaks_off_is_shown_to_nobody(
    serving: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A traceback in a log can have its variables, and the body that has arrived so far is one of them."""
    monkeypatch.setattr("oracle.web.bodies.BODY_DEADLINE_S", 0.3)
    secret = b"771823645"
    async with serving() as served:
        with capture_logs() as logs:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            length = "Transfer-Encoding: chunked" if how == "malformed" else "Content-Length: 1000"
            head = f"POST /v1/claims HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {'d' * 32}\r\n{length}\r\n\r\n"
            writer.write(head.encode())
            part = b'{"inputs": {"age": ' + secret
            writer.write(b"%x\r\n%s\r\n" % (len(part), part) if how == "malformed" else part)
            await writer.drain()
            await asyncio.sleep(0.05)  # the body is being read
            if how == "malformed":
                writer.write(b"-1\r\n")
            elif how == "half closed":
                writer.write_eof()
            elif how == "reset":
                writer.transport.abort()
            else:
                writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    assert secret not in await reader.read()
            writer.close()
            monkeypatch.setattr("oracle.web.bodies.BODY_DEADLINE_S", 60.0)
            # The service is as it was.
            assert (await served.ask("GET", "/v1/models"))[0] == 200
            await served.job()
        assert [each for each in logs if each["log_level"] == "error" or "exc_info" in each] == []
        assert secret.decode() not in str(logs)


# --- the life of a job ---------------------------------------------------------------------------------------------


async def test_a_jobs_states_are_streamed(serving: Any) -> None:
    async with serving() as served:
        first = await served.job()
        await served.until(lambda: len(served.prover.jobs) == 1)
        second = await served.job("c" * 32)
        headers = {"Authorization": f"Bearer {'c' * 32}"}
        seen = []
        async with served.session.get(f"/v1/claims/{second['id']}/events", headers=headers) as stream:
            assert stream.content_type == "text/event-stream" and stream.headers["Cache-Control"] == "no-store"
            async for line in stream.content:
                if line.startswith(b"data:"):
                    seen.append(json.loads(line[5:])["state"])
                    if seen == ["waiting"]:
                        assert (await served.ask("DELETE", f"/v1/claims/{first['id']}", "d" * 32))[0] == 204
                    elif seen[-1] == "proving":
                        served.prover.gate.set()
        # It is in two states at once for whoever looks too late.
        assert [each for each in dict.fromkeys(seen) if each != "checking"] == ["waiting", "proving", "proven"]
        status, done = await served.ask("GET", f"/v1/claims/{second['id']}", "c" * 32)
        assert (status, done["state"], done["seconds"]) == (200, "proven", 0.25)


async def test_a_stream_ends_in_time_and_is_opened_again(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_server, "STREAM_S", 0.1)
    monkeypatch.setattr(claim_server, "_BEAT_S", 0.03)
    opened: list[Any] = []
    stream_of = claim_server._ClaimHandlers._stream

    async def counted(handlers: Any, request: Any, job: Any) -> Any:
        opened.append(job)
        return await stream_of(handlers, request, job)

    monkeypatch.setattr(claim_server._ClaimHandlers, "_stream", counted)
    async with serving() as served:
        job = await served.job()
        headers = {"Authorization": f"Bearer {'d' * 32}"}
        async with served.session.get(f"/v1/claims/{job['id']}/events", headers=headers) as stream:
            text = await stream.text()
        assert text.count("data:") >= 1 and text.count(": alive") >= 1 and '"proven"' not in text
        asking = asyncio.create_task(
            asyncio.to_thread(
                ClaimsService(f"http://127.0.0.1:{served.port}", "c" * 32).claim,
                "credit", served.inputs, AtLeast(0.6), SUBJECT,
            )
        )  # fmt: skip
        await served.until(lambda: len(opened) >= 3)
        served.prover.gate.set()
        assert (await asking).subject == SUBJECT
        await served.until(lambda: served.book.counts() == (0, 0, 1))


async def test_a_client_that_leaves_its_stream_is_noticed_and_its_job_goes_on(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_server, "_BEAT_S", 0.02)
    async with serving() as served:
        job = served.book.find((await served.job())["id"])
        assert job is not None
        headers = {"Authorization": f"Bearer {'d' * 32}"}
        with capture_logs() as logs:
            for _ in range(2):
                async with (
                    aiohttp.ClientSession(f"http://127.0.0.1:{served.port}") as leaving,
                    leaving.get(f"/v1/claims/{job.id}/events", headers=headers) as stream,
                ):
                    await stream.content.readline()
                    assert job.watchers >= 1
            await served.until(lambda: job.watchers == 0)
        assert not job.state.is_end and [each for each in logs if each["log_level"] == "error"] == []
        # More streams than so many are refused.
        async with contextlib.AsyncExitStack() as stack:
            path = f"/v1/claims/{job.id}/events"
            opened = [await stack.enter_async_context(served.session.get(path, headers=headers)) for _ in range(5)]
            assert [each.status for each in opened] == [200, 200, 200, 200, 429]


@pytest.mark.attack
async def test_a_cancelled_job_frees_its_worker_and_leaves_nothing(serving: Any) -> None:
    async with serving() as served:
        running = await served.job()
        waiting = await served.job("c" * 32)
        await served.until(lambda: len(served.prover.jobs) == 1)
        found = served.book.find(running["id"])
        assert found is not None and found.private is not None
        request = weakref.ref(found.private.request)
        proof_job = weakref.ref(served.prover.jobs[0]) if hasattr(ProofJob, "__weakref__") else None
        served.prover.jobs.clear()
        assert (await served.ask("DELETE", f"/v1/claims/{running['id']}", "d" * 32))[0] == 204
        await served.until(lambda: len(served.prover.jobs) == 1)
        assert served.prover.cancelled == 1, "the worker has the next job"
        assert (await served.ask("GET", f"/v1/claims/{running['id']}", "d" * 32))[0] == 404
        assert (await served.ask("DELETE", f"/v1/claims/{waiting['id']}", "c" * 32))[0] == 204
        del found
        await served.until(lambda: served.book.counts() == (0, 0, 0))
        gc.collect()
        assert request() is None and (proof_job is None or proof_job() is None)
        assert b'oracle_claim_jobs_total{end="cancelled",model="credit"} 2.0' in served.metrics.exposition()


async def test_whatever_callers_do_no_worker_and_no_data_are_lost(serving: Any) -> None:
    """Asks, cancels, looks and proves in an order that is drawn."""
    draw = random.Random(7)
    async with serving(queue=3, workers=2, per_caller=3, keep_s=0.02) as served:
        names: list[tuple[str, str]] = []
        requests: list[weakref.ref[Any]] = []
        for _ in range(250):
            token = draw.choice(["d", "c"]) * 32
            match draw.randrange(5):
                case 0 | 1:
                    status, answer = await served.ask("POST", "/v1/claims", token, served.body())
                    assert status in (202, 429, 503)
                    if status == 202:
                        names.append((answer["id"], token))
                        job = served.book.find(answer["id"])
                        if job is not None and job.private is not None:
                            requests.append(weakref.ref(job.private.request))
                case 2 if names:
                    name, owner = names.pop(draw.randrange(len(names)))
                    assert (await served.ask("DELETE", f"/v1/claims/{name}", owner))[0] in (204, 404)
                case 3 if names:
                    name, owner = draw.choice(names)
                    status, answer = await served.ask("GET", f"/v1/claims/{name}", owner)
                    assert status == 404 or answer["ahead"] <= 3
                case _:
                    served.prover.error = draw.choice([None, None, ProverCrashed("died")])
                    gate, served.prover.gate = served.prover.gate, asyncio.Event()
                    gate.set()
            waiting, running, _ = served.book.counts()
            assert waiting + running <= 5 and len(list(served.book.open())) == waiting + running
        for name, owner in names:
            await served.ask("DELETE", f"/v1/claims/{name}", owner)
        await served.until(lambda: not served.desk._tasks)
        served.prover.jobs.clear()
        gc.collect()
        assert len(requests) > 20 and [each for each in requests if each() is not None] == []
        # Both workers are there: two jobs are worked on at once, and not three.
        served.prover.error = None
        for _ in range(3):
            await served.job()
        await served.until(lambda: len(served.prover.jobs) == 2)
        assert served.book.counts()[:2] == (1, 2)


async def test_a_claim_is_kept_for_a_while_and_gone_once_it_is_deleted(serving: Any) -> None:
    async with serving(keep_s=0.3) as served:
        served.prover.gate.set()
        sweeping = asyncio.create_task(served.desk.sweep())
        kept, deleted = await served.job(), await served.job()
        await served.until(lambda: served.book.counts() == (0, 0, 2))
        assert (await served.ask("DELETE", f"/v1/claims/{deleted['id']}", "d" * 32))[0] == 204
        assert served.book.counts() == (0, 0, 1)
        await served.until(lambda: served.book.counts() == (0, 0, 0))
        assert (await served.ask("GET", f"/v1/claims/{kept['id']}", "d" * 32))[0] == 404
        sweeping.cancel()


@pytest.mark.attack
async def test_no_errors_text_gets_out(serving: Any) -> None:
    """ezkl's words may have numbers of the witness."""
    async with serving() as served:
        served.prover.gate.set()
        errors: list[tuple[Exception, str]] = [
            (ProverCrashed("ezkl panicked: 771823645 is too large"), "it could not be proven now; ask again"),
            (ValueError("771823645"), "an error of the service could not prove it"),
            (ProofInvalid("outputs 771823645"), "the service could not prove it"),
        ]
        with capture_logs() as logs:
            for error, reason in errors:
                served.prover.error = error
                job = await served.job()
                await served.until(lambda: not list(served.book.open()))
                _, answer = await served.ask("GET", f"/v1/claims/{job['id']}", "d" * 32)
                assert answer["state"] == "failed" and answer["reason"].startswith(reason)
                assert "771823645" not in str(answer)
            # An error of the desk itself.
            served.desk._models = None
            status, answer = await served.ask("GET", "/v1/models")
            assert (status, "771823645" in str(answer)) == (500, False)
        told = str(logs)
        assert "771823645" not in told and "ProverCrashed" in told and "test_claim_service.py" in told
        assert "/v1/claims" not in told and job["id"] not in told


async def test_a_service_that_stops_finishes_what_is_under_way(serving: Any) -> None:
    async with serving() as served:
        job = await served.job()
        await served.until(lambda: len(served.prover.jobs) == 1)
        stopping = asyncio.create_task(served.desk.stop(30))
        await served.until(lambda: served.book.is_stopping)
        status, answer = await served.ask("POST", "/v1/claims", "c" * 32, served.body())
        assert (status, "about to end" in answer["error"]) == (503, True)
        assert not served.metrics.is_ready and b"oracle_claim_ready 0.0" in served.metrics.exposition()
        served.prover.gate.set()
        await served.until(lambda: not list(served.book.open()))
        assert not stopping.done(), "its caller has not collected it"
        assert (await served.ask("GET", f"/v1/claims/{job['id']}", "d" * 32))[1]["state"] == "proven"
        await asyncio.wait_for(stopping, 60)
    async with serving() as served:
        job = await served.job()
        await served.until(lambda: len(served.prover.jobs) == 1)
        await served.desk.stop(0.01)
        _, answer = await served.ask("GET", f"/v1/claims/{job['id']}", "d" * 32)
        assert (answer["state"], served.prover.cancelled) == ("cancelled", 1)
        assert "the service has ended" in answer["reason"]


async def test_every_documented_operation_is_there_and_answers_as_documented(serving: Any) -> None:
    async with serving() as served:
        status, document = await served.ask("GET", "/openapi.json")
        assert status == 200 and set(document["paths"]) == {each.path for each in OPERATIONS}
        async with served.session.get("/") as page:
            assert page.content_type == "text/html" and "default-src 'none'" in page.headers["Content-Security-Policy"]
            assert "POST /v1/claims" in await page.text()
        for each in OPERATIONS:
            path = each.path.replace("{id}", "none")
            status, _ = await served.ask(each.method, path, "d" * 32, served.body() if each.body else None)
            assert status in each.answers, each.name
        [model] = (await served.ask("GET", "/v1/models"))[1]["models"]
        assert model["name"] == "credit" and model["inputs"]["additionalProperties"] is False
        for method, path in (("PUT", "/v1/claims"), ("GET", "/metrics"), ("GET", "/v1/claims")):
            async with served.session.request(method, path) as answer:
                assert answer.status in (404, 405), path


async def test_claims_of_several_outputs_and_of_changes_are_carried(serving: Any) -> None:
    spec = several(changes=True)
    now, before = {"x0": 0.3, "x1": 0.3, "x2": 0.4}, {"x0": 0.25, "x1": 0.3, "x2": 0.45}
    with ZkmlClient(circuits.folder()) as own:
        await own.register(spec)
        async with serving(client=own, model=spec.name) as served:
            served.prover.gate.set()
            shown = (await served.ask("GET", "/v1/models"))[1]["models"][0]
            assert (shown["outputs"], shown["changes"]) == (["a", "b", "c"], True)
            ask = partial(
                ClaimsService(f"http://127.0.0.1:{served.port}", "d" * 32).claim, spec.name, now, subject=SUBJECT
            )
            earlier = Earlier(before, (4, 5, 6))
            told = {"a": AtLeast(-100), "b": (AtLeast(-50), ChangeBetween(-5, 5))}
            claim = await asyncio.to_thread(partial(ask, told, salt=(1, 2, 3), earlier=earlier))
            assert [each.output for each in claim.terms.bounds] == [0, 1]
            assert [each.output for each in claim.terms.changes] == [1]
            assert claim.terms.earlier == own.commit(spec.name, before, (4, 5, 6)).value
            [job] = served.prover.jobs
            assert job.windows[0][:3] == spec.encode(now)
            for wrong, more in (
                ({"d": AtLeast(0)}, {}),
                (AtLeast(0), {}),
                ({"b": ChangeBetween(-5, 5)}, {}),
                ({"a": AtLeast(0)}, {"earlier": earlier}),
                ({"b": ChangeBetween(-5, 5)}, {"earlier": Earlier({**before, "x0": 2}, (4, 5, 6))}),
            ):
                with pytest.raises(DataError, match="HTTP 422"):
                    await asyncio.to_thread(partial(ask, wrong, **more))
            assert len(served.prover.jobs) == 1


@pytest.mark.attack
async def test_without_a_token_a_model_is_asked_about_attested_data_alone(serving: Any) -> None:
    """Bounds of a change since data of one's own choice would tell the model's output on these."""
    spec = several(changes=True)
    now, before, made_up = ({"x0": 0.3, "x1": each, "x2": 0.4} for each in (0.3, 0.2, 0.1))
    with ZkmlClient(circuits.folder()) as own:
        model = await own.register(spec)

        def signed(data: dict[str, Any], account: Any = ISSUER, **change: Any) -> tuple[dict[str, Any], list[int]]:
            terms: dict[str, Any] = {"chain_id": CHAIN, "registry": REGISTRY, "subject": SUBJECT, "expires_at": FAR}
            told, private = issue(own, account, spec, model.model_id, data, **terms | change)
            return told.document(), private["salt"]

        async with serving(client=own, model=spec.name) as served:
            attestation, salt = signed(now)
            body = served.body(
                model=spec.name, inputs=now, salt=salt, attestation=attestation,
                constraint={"outputs": {"b": {"change": [-50, 50]}}},
            )  # fmt: skip

            def since(data: dict[str, Any], document: dict[str, Any] | None, own: list[int]) -> Any:
                return body | {"earlier": {"inputs": data, "salt": own, "attestation": document}}

            old, old_salt = signed(before, expires_at=1_000)
            for status, wrong, reason in (
                (403, since(made_up, None, [1, 2, 3]), "need their attestation, too"),
                (403, since(before, None, old_salt), "need their attestation, too"),
                (403, since(made_up, old, old_salt), "of other inputs"),
                (403, since(before, old, [1, 2, 3]), "of another salt"),
                (403, since(made_up, *signed(made_up, STRANGER)), "issuer is not trusted"),
                (422, since(made_up, *signed(made_up, subject=OTHER)), "for the subject"),
            ):
                got, answer = await served.ask("POST", "/v1/claims", None, wrong)
                assert (got, reason in answer["error"]) == (status, True), answer
            assert served.book.counts() == (0, 0, 0) and served.prover.jobs == []
            # The control: what an issuer has signed once, and a caller with a token, who may ask about any data.
            assert (await served.ask("POST", "/v1/claims", None, since(before, old, old_salt)))[0] == 202
            assert (await served.ask("POST", "/v1/claims", "d" * 32, since(made_up, None, [1, 2, 3])))[0] == 202


# --- the client ----------------------------------------------------------------------------------------------------


@pytest.mark.attack
@pytest.mark.parametrize(
    ("lie", "told"),
    [
        ({"subject": OTHER}, "another subject"),
        ({"expires_at": FAR - 1}, "another expiry"),
        ({"commitment": 5}, "another commitment"),
        ({"model_id": 5}, "for model"),
        ({"attestation": None}, "another attestation"),
        ({"model": "identity"}, "another model"),
        ({"terms": ClaimTerms((ClaimBound(0, 5, 6), ClaimBound(1, 5, 6)))}, "about other outputs"),
        ({"terms": ClaimTerms((ClaimBound(0, 5, 6),), (ClaimBound(0, 5, 6),), 7)}, "about other outputs"),
        ({"terms": ClaimTerms((), (ClaimBound(0, 5, 6),), 7)}, "about other outputs"),
    ],
)
async def test_the_client_takes_no_other_claim_than_it_asked_for(
    serving: Any, client: ZkmlClient, lie: dict[str, Any], told: str
) -> None:
    async with serving() as served:
        served.prover.gate.set()
        honest = Job.document

        def lying(self: Job, ahead: int, *, with_key: bool = False) -> JobDocument:
            if self.claim is not None:
                self.claim = replace(self.claim, **lie)
            return honest(self, ahead, with_key=with_key)

        attestation, salt = attested(client, served.inputs)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Job, "document", lying)
            asking = partial(
                ClaimsService(f"http://127.0.0.1:{served.port}").claim,
                "credit", served.inputs, AtLeast(0.6), salt=tuple(salt), attestation=attestation, expires_at=FAR,
            )  # fmt: skip
            with pytest.raises(ProofInvalid, match=told):
                await asyncio.to_thread(asking)


async def test_the_client_says_what_is_wrong(serving: Any, inputs: dict[str, Any]) -> None:
    for url in ("ftp://host", "host:9470", ""):
        with pytest.raises(ConfigError, match="is not the URL of a claims service"):
            ClaimsService(url)
    with pytest.raises(ConfigError, match="private data could be read on its way"):
        ClaimsService("http://claims.example")
    async with serving(queue=0) as served:
        url = f"http://127.0.0.1:{served.port}"
        mine = ClaimsService(url, "d" * 32)
        assert "d" * 32 not in repr(mine)

        async def claim(service: ClaimsService, *terms: Any, **more: Any) -> Any:
            return await asyncio.to_thread(service.claim, *terms, **more)

        with pytest.raises(DataError, match=r"refuses it .HTTP 401.: send a bearer token"):
            await claim(ClaimsService(url), "credit", inputs, AtLeast(0.6), SUBJECT)
        with pytest.raises(DataError, match="no such model is served; these are: credit"):
            await claim(mine, "none", inputs, AtLeast(0.6), SUBJECT)
        with pytest.raises(DataError, match="whose claim is it"):
            await claim(mine, "credit", inputs, AtLeast(0.6))
        with pytest.raises(ClaimNotMet, match="not within the bounds"):
            await claim(mine, "credit", inputs, AtLeast(0.9), SUBJECT)
        await served.job("c" * 32)
        with pytest.raises(ProverUnavailable, match="the queue is full; ask again after 5 s"):
            await claim(mine, "credit", inputs, AtLeast(0.6), SUBJECT)
    with pytest.raises(ProverUnavailable, match="does not answer"):
        mine.models()


async def test_a_client_that_gives_up_cancels_its_job(serving: Any) -> None:
    async with serving() as served:
        service = ClaimsService(f"http://127.0.0.1:{served.port}", "d" * 32, timeout_s=1.5)
        asking = asyncio.to_thread(service.claim, "credit", served.inputs, AtLeast(0.6), SUBJECT)
        with pytest.raises(ProverUnavailable, match=r"not done within 1\.5 s"):
            await asking
        await served.until(lambda: served.book.counts() == (0, 0, 0) and served.prover.cancelled == 1)


def test_a_service_whose_streams_tell_nothing_is_given_up(
    httpserver: HTTPServer, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked as often as one whose connections break, with a pause between, and not without end."""
    monkeypatch.setattr(service_client, "_AGAIN_S", 0.05)
    waiting = JobDocument(id="a", model="credit", state=JobState.WAITING, asked_at=1).model_dump(mode="json")
    httpserver.expect_request("/v1/claims", method="POST").respond_with_json(waiting, status=202)
    httpserver.expect_request("/v1/claims/a", method="DELETE").respond_with_data(status=204)
    httpserver.expect_request("/v1/claims/a/events").respond_with_data("", content_type="text/event-stream")
    service = ClaimsService(httpserver.url_for("/"), "d" * 32, timeout_s=30)
    begun = time.monotonic()
    with pytest.raises(ProverUnavailable, match="does not answer: its streams end"):
        service.claim("credit", inputs, AtLeast(0.6), SUBJECT)
    assert time.monotonic() - begun >= 5 * 0.05
    assert [each.method for each, _ in httpserver.log] == ["POST", *["GET"] * 6, "DELETE"]


async def test_it_is_served_over_tls(serving: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = certificate(tmp_path)
    async with serving(tls=Certificate(file, file, "server")) as served:
        mine = ClaimsService(f"https://localhost:{served.port}")
        with pytest.raises(ProverUnavailable, match=r"certificate|self-signed|verify"):
            await asyncio.to_thread(mine.models)
        monkeypatch.setattr(Trust, "context", property(lambda self: ssl.create_default_context(cafile=str(file))))
        [model] = await asyncio.to_thread(mine.models)
        assert model.name == "credit"


# --- the whole service, with real proofs ---------------------------------------------------------------------------


@dataclass
class Running:
    """A real service in a thread of its own.

    Attributes:
        url: Its address.
        monitoring: The address of its monitoring.
        folder: The folder of the configuration, and of all temporary files.
        chain: The chain of the registry that it knows.
        registry: Its address.
    """

    url: str
    monitoring: str
    folder: Path
    chain: Anvil
    registry: str

    def metrics(self) -> str:
        with urllib.request.urlopen(f"{self.monitoring}/metrics") as answer:
            return str(answer.read().decode())

    def files(self) -> list[Path]:
        """Return the files that proving has left, but locks and ezkl's own tables, which are the same for all data."""
        walked = [each for name in ("shm", "tmp") for each in os.walk(self.folder / name)]  # some vanish meanwhile
        found = [Path(folder, file) for folder, _, files in walked for file in files]
        return [path for path in found if path.suffix != ".lock" and "ezkl" not in path.parts]

    def until(self, holds: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.002)


def file_of(folder: Path, registry: str) -> Path:
    """Write a service's file."""
    for name, token in TOKENS.items():
        (folder / f"{name}.token").write_bytes(token)
        (folder / f"{name}.token").chmod(0o600)
    path = folder / "claims.toml"
    path.write_text(
        f"""
folder = "{circuits.folder()}"
srs = "insecure-local"
[server]
listen = "127.0.0.1:0"
monitoring = "127.0.0.1:0"
[prover]
workers = 1
[[models]]
packaged = "credit"
[[models]]
packaged = "identity"
[[callers]]
name = "desk"
token_file = "desk.token"
[registry]
chain_id = {CHAIN}
address = "{registry}"
issuers = ["{ISSUER.address}"]
"""
    )
    return path


@pytest.fixture(scope="module")
def running(
    client: ZkmlClient, anvil: Callable[..., Anvil], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    chain = anvil()
    admin = Account.from_key(chain.accounts[0].key)

    async def deployed() -> str:
        async with Rpc(chain.rpc_url) as rpc:
            registry = await Registry.deploy(rpc, admin, 0, poll_s=0.05)
            await registry.propose(client.registered("credit"))
            await registry.trust(ISSUER.address, client.registered("credit"))
            return registry.address

    registry = asyncio.run(deployed())
    for each in ("shm", "tmp"):
        (folder / each).mkdir()
    ports: list[int] = []
    stop: list[Callable[[], object]] = []
    ready = threading.Event()

    async def serve() -> None:
        stopping = asyncio.Event()
        async with run.claims_served(load_claim_service(file_of(folder, registry))) as served:
            assert served.monitoring_port is not None
            ports.extend((served.port, served.monitoring_port))
            stop.append(partial(asyncio.get_running_loop().call_soon_threadsafe, stopping.set))
            ready.set()
            await stopping.wait()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run, "SHARED_MEMORY", folder / "shm")
        patched.setattr(tempfile, "tempdir", str(folder / "tmp"))
        thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
        thread.start()
        assert ready.wait(120)
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        yield Running(urls[0], urls[1], folder, chain, registry)
        stop[0]()
        thread.join(30)
        assert not thread.is_alive()


class ThroughService:
    """A client for the demonstration, which has its claims proven by a service."""

    def __init__(self, own: ZkmlClient, service: ClaimsService) -> None:
        self._own = own
        self._service = service
        self.register, self.registered, self.commit = own.register, own.registered, own.commit

    async def prove(self, model: str, inputs: Any, constraint: Any, subject: str, **more: Any) -> ClaimProof:
        """See `ZkmlClient.prove`."""
        return await asyncio.to_thread(partial(self._service.claim, model, inputs, constraint, subject, **more))


def test_the_four_cases_of_the_demo_through_the_service(running: Running, client: ZkmlClient) -> None:
    admin, issuer, subject = (Account.from_key(account.key) for account in running.chain.accounts[1:4])

    async def cases() -> list[bool]:
        through: Any = ThroughService(client, ClaimsService(running.url, "d" * 32))
        async with Rpc(running.chain.rpc_url) as rpc:
            return await demo.run(through, rpc, admin, issuer, subject, lambda line: None)

    assert asyncio.run(cases()) == [True, False, True, False]
    told = running.metrics()
    for model in ("credit", "identity"):
        assert f'oracle_claim_jobs_total{{end="proven",model="{model}"}} 1.0' in told
        assert f'oracle_claim_jobs_total{{end="refused",model="{model}"}} 1.0' in told
        assert f'oracle_claim_prove_seconds_count{{model="{model}"}} 1.0' in told
    assert "oracle_claim_jobs_kept 0.0" in told, "the client has deleted what it has"


def test_a_subject_without_a_token_goes_from_an_attestation_to_the_chain(
    running: Running, client: ZkmlClient, inputs: dict[str, Any], tmp_path: Path
) -> None:
    subject = Account.from_key(running.chain.accounts[4].key)
    told, private = issue(
        client, ISSUER, client.registered("credit").spec, client.registered("credit").model_id, inputs,
        chain_id=CHAIN, registry=running.registry, subject=subject.address, expires_at=FAR,
    )  # fmt: skip
    told.save(tmp_path / "attestation.json")
    (tmp_path / "private.json").write_text(json.dumps(private))
    out = tmp_path / "claim.json"
    arguments = [
        "claim", "request", running.url, str(tmp_path / "private.json"), "--model", "credit", "--at-least", "0.6",
        "--at-most", "0.75", "--attestation", str(tmp_path / "attestation.json"), "--out", str(out),
    ]  # fmt: skip
    done = CliRunner().invoke(oracle, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0 and "proving" in done.stderr
    claim = ClaimProof.load(out)
    assert client.verify_inference_proof(claim) and f"{claim.commitment:#066x}" in done.stdout

    async def submitted() -> bool:
        async with Rpc(running.chain.rpc_url) as rpc:
            registry = Registry(rpc, running.registry, subject, poll_s=0.05)
            await registry.submit(claim)
            return await registry.is_valid(claim)

    assert asyncio.run(submitted())
    refused = CliRunner().invoke(oracle, arguments[:-4])
    assert isinstance(refused.exception, DataError) and "who asks?" in str(refused.exception)


def test_the_page_as_written(
    running: Running, inputs: dict[str, Any], project_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (project_root / "docs/claims.md").read_text().split("\n## The claims service\n")[1]
    code = page.split("```py\n")[1].split("```")[0].replace("http://127.0.0.1:9470", running.url)
    names: dict[str, Any] = {"applicant": inputs, "subject": SUBJECT, "token": "d" * 32}
    exec(compile(code, "docs/claims.md", "exec"), names)
    assert names["claim"].subject == SUBJECT
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "['credit', 'identity']" and printed[-1] == "proven"


@pytest.mark.attack
def test_nothing_private_is_logged_measured_or_left_on_a_disk(running: Running, inputs: dict[str, Any]) -> None:
    """A salt is as unmistakable as a number can be: 144 random bits. It is searched for in all encodings."""
    salt = new_salt()
    body = {
        "model": "credit", "inputs": inputs, "salt": list(salt), "constraint": {"at_least": 0.6}, "subject": SUBJECT
    }  # fmt: skip

    def ask(method: str, path: str, data: Any = None) -> Any:
        request = urllib.request.Request(
            f"{running.url}{path}",
            None if data is None else json.dumps(data).encode(),
            {"Authorization": f"Bearer {'d' * 32}"},
            method=method,
        )
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def found() -> list[str]:
        read = []
        for path in running.files():
            with contextlib.suppress(FileNotFoundError):
                read.append(path.read_bytes())
        return [name for content in read if len(content) > 8 for name in leaks(content, salt, 0)]

    with capture_logs() as log:  # of all levels; the service logs from its own thread
        # 1 The control: while a claim is proven, its witness is in a file, in memory, and the salt is found there.
        job = ask("POST", "/v1/claims", body)
        running.until(lambda: any(path.name == "witness.json" for path in running.files()))
        assert {path.relative_to(running.folder).parts[0] for path in running.files()} == {"shm"}
        running.until(found)
        # 2 The job is cancelled in the midst of it, by which its process is killed.
        ask("DELETE", f"/v1/claims/{job['id']}")
        running.until(lambda: not running.files())
        # 3 Another one is proven and collected, and one does not hold.
        service = ClaimsService(running.url, "d" * 32)
        claim = service.claim("credit", inputs, AtLeast(0.6), SUBJECT, salt=salt)
        with pytest.raises(ClaimNotMet):
            service.claim("credit", inputs, AtLeast(0.9), SUBJECT, salt=salt)
        assert running.files() == []
    # 4 Nothing of it is in the log or in the metrics: salt, inputs, ids of jobs, tokens, weights.
    told = (json.dumps(log, default=str) + running.metrics()).encode()
    assert b"claim ended" in told and b"oracle_claim_jobs_total" in told
    assert leaks(told, salt, 0) == {}
    words = [str(value) for value in inputs.values() if isinstance(value, str)]
    graph = onnx.load_model_from_string(ModelSpec.packaged("credit").onnx)
    arrays = [numpy_helper.to_array(each) for each in graph.graph.initializer]
    weights = [f"{abs(weight):.6g}" for each in arrays for weight in each.astype(float).ravel()]
    unmistakable = [each for each in weights if len(each) > 7]
    assert len(words) > 2 and len(unmistakable) > 10
    for secret in (*words, *unmistakable, job["id"], "d" * 32, SUBJECT, f"{claim.commitment:x}"):
        assert secret.encode() not in told, secret
    assert [each["log_level"] for each in log if each["log_level"] in ("error", "critical")] == []


def test_the_daemon_serves_until_sigterm_and_leaves_no_core(client: ZkmlClient, tmp_path: Path) -> None:
    path = file_of(tmp_path, REGISTRY)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from oracle.cli import main; main()", "claim", "serve", "-c", str(path)],
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 60
        while not (ports := re.findall(r'port": (\d+)', (tmp_path / "log").read_text())):
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.02)
        assert [each.name for each in ClaimsService(f"http://127.0.0.1:{ports[0]}").models()] == ["credit", "identity"]
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}/readyz") as answer:
            assert json.loads(answer.read()) == {"ok": True}
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        # At most 1 byte; and 1 is what no program gets that the system pipes cores to.
        soft, most = re.findall(r"^Max core file size +(\S+) +(\S+)", limits, re.MULTILINE)[0]
        assert soft == ("0" if most == "0" else "1")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait(10)
    (tmp_path / "desk.token").chmod(0o644)
    refused = CliRunner().invoke(oracle, ["claim", "serve", "-c", str(path)])
    assert isinstance(refused.exception, ConfigError) and "others may read it" in str(refused.exception)
