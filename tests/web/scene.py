"""The scene: a real chain with a history, for the tests of the explorer and of the client.

`python -m tests.web.scene` prints one line of JSON, which says where everything is, and lives until its stdin closes.
`scene.d.ts` describes that line. `POST {"report": "live", "answer": "10050000000"}` to its `commands` makes one more
report, and answers with what became of it. Circuits and proofs are those of the tests' cache, so that a scene stands in
seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from eth_account import Account

from oracle.chain.hub import RoundAccepted, SubmitCall
from oracle.chain.local import toolchain
from oracle.chain.local.anvil import Anvil, load_anvil_config
from oracle.claims import Between, ClaimProof, ModelSpec, ZkmlClient, attest, demo
from oracle.claims.onchain import Registry
from oracle.core import encoding
from oracle.core.encoding import NO_ANSWER
from oracle.core.formats import to_hex
from oracle.detectors.cards import onchain
from oracle.detectors.cards.drawing import build
from oracle.detectors.cards.prove import prove
from oracle.detectors.cards.recipe import Recipe
from oracle.proving.artifact import Artifact, publish
from tests import circuits
from tests.attack.calldata import IF_NEWER, SHADOW, SUBMIT, Calldata, encode, flipped
from tests.attack.forwarding import creation, forwarding
from tests.attack.node import DEPLOYER, GENESIS, OUTSIDER
from tests.attack.proofs import MODEL, Proofs
from tests.attack.rig import ANOMALOUS, ANSWER, COMMITTEE, CONFIRM_DELAY, HEARTBEAT, HOURS, NORMAL, Rig, Sighting

ISSUER, SUBJECT = 1, 2
"""The accounts of whoever signs the claim's data, and of whom the claim is about."""

FAR = (1 << 40) - 1
CARD_BATCH = 4
RECIPE = Recipe(series=("sp500",), features=encoding.feature_names(MODEL.features), peers={}, normals=3, per_kind=1)
"""A card's benchmark of seven windows: two proofs."""


@dataclass
class Scene:
    """A hub whose feeds are in every state, and what happened to them, by name.

    Attributes:
        rig: The hub, and what makes its reports.
        folder: For files.
        at: When the last report was observed, in seconds from the rig's start.
        rounds: What became of reports, by a name for each.
    """

    rig: Rig
    folder: Path
    at: int = 6 * HOURS
    rounds: dict[str, dict[str, Any]] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)

    # --- reports ---

    def report(self, feed: str, answer: int, named: str = "", **options: Any) -> None:
        """Report an answer an hour later, as all of the feed's reporters see it, and remember what became of it."""
        self.wait()
        self.send(self.rig.honest(feed, *self.rig.seen(feed, answer, self.at), **options), feed, named)

    def wait(self, seconds: int = HOURS) -> None:
        """Let time pass, for reporters and on the chain."""
        self.at += seconds
        self.rig.wait_until(self.at)

    def send(self, report: Calldata, feed: str, named: str = "", call: SubmitCall = SUBMIT) -> None:
        """Send a report, and remember what became of it for a feed."""
        self.sent(self.rig.receipt(encode(report, call)), feed, named)

    def sent(self, receipt: dict[str, Any], feed: str, named: str) -> None:
        """Remember under a name what a transaction did to a feed."""
        assert receipt["status"] == "0x1", (feed, named)
        block = int(receipt["blockNumber"], 16)
        if named:
            found = self.rig.run(self.rig.hub.logs(block, block, self.rig.feed_id(feed)))
            self.rounds[named] = {
                "feed": feed,
                "feedId": to_hex(self.rig.feed_id(feed)),
                "roundId": found[-1].round_id,
                "transaction": receipt["transactionHash"],
                "logIndex": found[-1].log_index,
                "kind": "accepted" if isinstance(found[-1], RoundAccepted) else "held",
                "observedAt": found[-1].observed_at,
                "answer": str(found[-1].answer),
            }

    # --- acts ---

    def a_day(self) -> None:
        """Report a quiet day of `solo`, an outlier, and a jump that reporters insist on."""
        draw, answer = random.Random(7), ANSWER
        for at in range(12):
            answer += answer * draw.randrange(-4_000, 4_000) // 1_000_000
            self.report("solo", answer, "first" if at == 0 else "")
        self.report("solo", answer + answer // 2, "held")
        self.report("solo", answer, "accepted")
        for named in ("heldFirst", "heldAgain", "confirmed"):
            self.wait(CONFIRM_DELAY)
            self.send(self.rig.honest("solo", Sighting(ANOMALOUS, self.at)), "solo", named)
        assert self.rounds["confirmed"]["kind"] == "accepted"

    def other_models(self) -> None:
        """Let another model judge beside the first one, then instead of it, go back, and propose it for a feed."""
        rig = self.rig
        number = rig.add_model("other", rig.add_architecture("other"), probe=rig.probe("other", [1]))
        rig.propose("solo", number, compared=1, disagreements=1)
        self.wait()
        self.judged_twice("solo", ANOMALOUS, number, "shadowed")
        rig.admin("activateModel", rig.feed_id("solo"))
        self.report("solo", ANOMALOUS, "otherModel", kind="other", model_number=number)
        rig.admin("rollbackModel", rig.feed_id("solo"))
        self.report("solo", ANOMALOUS, "rolledBack")
        rig.propose("trio", number, compared=5, disagreements=2)
        self.wait()
        self.judged_twice("trio", NORMAL, number, "")
        architecture = rig.add_architecture("public")
        rig.activate("open", rig.add_model("public", architecture, probe=rig.probe("public", [1])))
        public = rig.run(rig.hub.model_count())
        for at, answer in enumerate((NORMAL, ANSWER, NORMAL, ANSWER * 2, NORMAL)):
            named = {0: "public", 3: "publicHeld"}.get(at, "")
            self.report("open", answer, named, kind="public", model_number=public)
        self.document["models"] = {
            name: {"number": each, "hash": f"{rig.run(rig.hub.model(each)).model_hash:#066x}"}
            for name, each in (("private", 1), ("other", number), ("public", public))
        }

    def judged_twice(self, feed: str, answer: int, number: int, named: str) -> None:
        """Report an answer, after a proposed model has judged it."""
        seen = self.rig.seen(feed, answer, self.at)
        shadow = self.rig.honest(feed, *seen, kind="other", model_number=number)
        assert self.rig.accepts(shadow, call=SHADOW)
        self.send(self.rig.honest(feed, *seen), feed, named)

    def several(self) -> None:
        """Report as committees do: a quorum that differs, silent reporters, references, two feeds in one proof."""
        rig = self.rig
        self.wait()
        apart = ANSWER // 1_000
        seen = [Sighting(NORMAL + at * apart, self.at, COMMITTEE[at]) for at in range(3)]
        silent = [Sighting(NO_ANSWER, self.at, account) for account in COMMITTEE[3:]]
        self.send(rig.honest("trio", *seen, *silent), "trio", "quorum")
        self.report("trio", ANSWER * 2, "trioHeld")
        self.report("trio", NORMAL, "trioBack")
        self.wait()
        both = {"solo": rig.seen("solo", ANOMALOUS, self.at), "level": rig.seen("level", ANSWER + 300, self.at)}
        self.send(rig.together(both, due=["solo"]), "solo", "withReference")
        self.wait()
        both = {name: rig.seen(name, answer, self.at) for name, answer in (("solo", ANOMALOUS), ("paused", NORMAL))}
        self.send(rig.together(both), "solo", "batch")
        self.wait()
        honest = rig.honest("solo", Sighting(ANOMALOUS + 1_000, self.at))
        forwarder = rig.put(creation())
        calls = (encode(honest.with_scores(-1, -1)), encode(honest, IF_NEWER))
        self.sent(rig.receipt(forwarding(rig.hub.address, *calls), to=forwarder), "solo", "relayed")

    def ends(self) -> None:
        """Leave feeds as they are looked at: one held, one paused, and one stale by now."""
        self.rig.admin("pause", self.rig.feed_id("paused"))
        self.report("live", ANSWER)
        self.report("level", ANSWER * 2, "heldNow")
        assert self.rounds["heldNow"]["kind"] == "held"
        self.wait(2 * HEARTBEAT + HOURS - self.at)  # the first reports are as old as heartbeat and maxAge together

    # --- cards, claims, files ---

    def cards(self) -> None:
        """Prove a card, publish it, and write its file and an altered one."""
        rig, circuit = self.rig, self.rig.proofs.artifact("verdict", CARD_BATCH)
        rig.add_model(
            "verdict",
            rig.add_architecture("verdict", (CARD_BATCH,)),
            probe=rig.probe("verdict", [CARD_BATCH]),
            scoreUnit=circuit.manifest.score_unit,
        )
        card = rig.run(prove(build(RECIPE, CARD_BATCH), circuit, circuits.folder() / "scene-card"))
        payer = Account.from_key(rig.chain.accounts[OUTSIDER].key)
        done = rig.run(onchain.publish(card, circuit, rig.rpc, rig.hub.address, payer, poll_s=0.01))
        first = replace(card.batches[0], proof=flipped(card.batches[0].proof, 100))
        altered = replace(card, batches=(first, *card.batches[1:]))
        self.document["modelCards"] = done.contract
        self.document["models"]["verdict"] = {"number": done.card.model_number, "hash": card.model.model_hash}
        self.document["cards"] = self.saved("card", good=card, altered=altered)

    def claims(self) -> None:
        """Deploy a registry with a model, submit a claim, and write its file and two false ones."""
        accounts = [Account.from_key(each.key) for each in self.rig.chain.accounts]
        issuer, subject = accounts[ISSUER], accounts[SUBJECT]
        with ZkmlClient(circuits.folder()) as client:
            model = client.register_model(ModelSpec.packaged("credit"))
            proven = _kept("claim", ClaimProof.load, lambda: _claim(client, subject.address))
        told: dict[str, Any] = {
            "model_id": proven.model_id,
            "subject": proven.subject,
            "commitment": proven.commitment,
            "chain_id": self.rig.chain.chain_id,
        }

        async def recorded() -> ClaimProof:
            rpc = self.rig.rpc
            registry = await Registry.deploy(rpc, accounts[DEPLOYER], 0, poll_s=0.01)
            await registry.propose(model)
            await registry.trust(issuer.address, model)
            made = await rpc.block()
            told["registry"] = registry.address
            signed = attest(issuer, **told, issued_at=made.timestamp, expires_at=FAR)
            claim = replace(proven, attestation=signed)
            await Registry(rpc, registry.address, subject, poll_s=0.01).submit(claim)
            self.document["claimRegistry"] = registry.address
            return claim

        claim = self.rig.run(recorded())
        higher = tuple(replace(each, lo=each.lo + 1) for each in claim.terms.bounds)
        other = replace(claim, terms=replace(claim.terms, bounds=higher))
        false = {"altered": replace(claim, proof=flipped(claim.proof, 100)), "otherBounds": other}
        self.document["claims"] = self.saved("claim", good=claim, **false)
        publish(model.artifact, self.folder / "public" / model.artifact.path.name)

    def saved(self, what: str, **documents: Any) -> dict[str, str]:
        """Write documents, and return their paths by name."""
        paths = {name: self.folder / f"{what}-{name}.json" for name in documents}
        for name, each in documents.items():
            each.save(paths[name])
        return {name: str(path) for name, path in paths.items()}

    def described(self) -> dict[str, Any]:
        """Return where everything is."""
        rig = self.rig
        names = (*rig.deployment.feeds,)
        states = {name: rig.state(name) for name in names}
        return {
            "rpcUrl": rig.chain.rpc_url,
            "chainId": rig.chain.chain_id,
            "hub": rig.hub.address,
            "lens": rig.deployment.lens,
            "fromBlock": rig.deployment.block,
            "aggregators": {name: rig.deployment.feeds[name].aggregator for name in names},
            "publicFiles": str(self.folder / "public"),
            "feeds": {
                name: {"id": to_hex(rig.feed_id(name)), "description": f"{name} / USD", "committee": state.committee}
                for name, state in states.items()
            },
            "rounds": self.rounds,
            **self.document,
        }

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do what a command says, and return what became of it."""
        self.report(command["report"], int(command["answer"]), "asked")
        return self.rounds["asked"]


class Commands(HTTPServer):
    """Takes commands from the tests, one after the other, until stdin closes."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        super().__init__(("127.0.0.1", 0), _Command)

    @property
    def url(self) -> str:
        """Return the address."""
        return f"http://127.0.0.1:{self.server_port}"

    def serve(self) -> None:
        """Serve until stdin closes."""

        def watch() -> None:
            sys.stdin.read()
            self.shutdown()

        threading.Thread(target=watch, daemon=True).start()
        self.serve_forever(poll_interval=0.1)


class _Command(BaseHTTPRequestHandler):
    server: Commands

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps(self.server.scene.obey(json.loads(body))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


def play(rig: Rig, folder: Path) -> Scene:
    """Return a hub's scene, after all of its history has happened."""
    scene = Scene(rig, folder)
    for kind, batches in (("private", rig.batches), ("other", (1,)), ("public", (1,)), ("verdict", (CARD_BATCH,))):
        for batch in batches:
            made: Artifact = rig.proofs.artifact(kind, batch)
            publish(made, folder / "public" / made.path.name)
    scene.a_day()
    scene.other_models()
    scene.several()
    scene.cards()
    scene.claims()
    scene.ends()
    return scene


def _claim(client: ZkmlClient, subject: str) -> ClaimProof:
    inputs = demo.example(client.registered("credit"), 0.62, 0.73)
    return client.generate_inference_proof("credit", inputs, Between(0.6, 0.75), subject, expires_at=FAR)


def _kept(what: str, load: Callable[[Path], ClaimProof], make: Callable[[], ClaimProof]) -> ClaimProof:
    """Return what an earlier scene of the same code has made, or make it: each claim's salt is another one."""
    code = hashlib.sha256()
    for file in sorted((toolchain.project_root(Path(__file__).parent) / "oracle" / "claims").rglob("*.py")):
        code.update(file.read_bytes())
    path = circuits.folder() / f"scene-{what}-{code.hexdigest()[:16]}.json"
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}")
        make().save(fresh)
        os.replace(fresh, path)  # another scene may be looking
    return load(path)


def main() -> None:
    """Build a scene, say where everything is, and take commands until stdin closes."""
    with ExitStack() as open_:
        folder = Path(open_.enter_context(tempfile.TemporaryDirectory(prefix="scene-")))
        proofs = open_.enter_context(Proofs())
        root = toolchain.project_root(Path(__file__).parent)
        chain = open_.enter_context(Anvil(load_anvil_config(root / "anvil.toml", port=0, start_time=GENESIS)))
        rig = Rig.build(proofs, chain, folder, batches=(1, 4), others=("open", "paused", "stale", "live"))
        open_.callback(rig.close)
        scene = play(rig, folder)
        with Commands(scene) as commands:
            sys.stdout.write(json.dumps({**scene.described(), "commands": commands.url}) + "\n")
            sys.stdout.flush()
            commands.serve()


if __name__ == "__main__":
    main()
