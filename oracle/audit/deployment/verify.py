"""The check of a deployment, step by step, at one block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from oracle.audit.deployment.adapters import check_adapters
from oracle.audit.deployment.comparison import Expectation, compare, facts_of, of_statement
from oracle.audit.deployment.contracts import ContractChecks, Hint
from oracle.audit.deployment.further import check_further
from oracle.audit.deployment.reading import HubSettings, read_roles, read_settings
from oracle.audit.deployment.report import DeploymentDraft, DeploymentReport, Weakness
from oracle.audit.deployment.statement import DeploymentStatement, StatedRoles
from oracle.audit.deployment.verifiers import VerifierChecks
from oracle.audit.deployment.weaknesses import weaknesses
from oracle.audit.pinning import pin_block
from oracle.chain import compiled
from oracle.chain.compiled import Compiled
from oracle.chain.deploy.create2 import NO_SALT
from oracle.chain.deploy.origin import first_block
from oracle.chain.hub import Hub, hub_interface
from oracle.chain.hub.roles import ADMIN_ROLE, GUARDIAN_ROLE, HubRoles, hub_roles, named_roles
from oracle.chain.rpc import BlockTag, Rpc
from oracle.chain.transport.answers import Log
from oracle.core.errors import ChainUnavailable, DeploymentError
from oracle.core.formats import NOBODY, checksum_address, to_hex
from oracle.core.version import __version__

Progress: TypeAlias = Callable[[str], None]
"""Called with one line for each step."""


@dataclass(frozen=True)
class DeploymentCheck:
    """The wishes of whoever checks a deployment.

    Attributes:
        expected: What somebody states of it; the default is nothing, so that values are only shown.
        contracts: The contracts that should be there, by name; None: those of the package.
        artifacts: Folder with the artifacts of the models; None: none.
        block: The block at which everything is read.
        from_block: A block that is not after the hub's creation; None: it is looked for.
        salts: Salts that the hub's address may have.
        also: Further contracts that belong to the hub: registries, cards, updates, split verifiers.
        only_stated_roles: True asks only whether the stated guardians are such, and reads no logs, which takes long on
            an old chain.
    """

    expected: Expectation = field(default_factory=Expectation)
    contracts: Mapping[str, Compiled] | None = None
    artifacts: Path | None = None
    block: BlockTag = "latest"
    from_block: int | None = None
    salts: tuple[bytes, ...] = ()
    also: tuple[str, ...] = ()
    only_stated_roles: bool = False


async def verify_deployment(
    rpcs: Sequence[Rpc], hub: str, wanted: DeploymentCheck, progress: Progress = lambda line: None
) -> DeploymentReport:
    """Check a deployment: code, creation and storage of each contract, roles, delays, settings, verifiers.

    Args:
        rpcs: Endpoints of the chain, one at least. The others have to tell what the first one does.
        hub: The hub's address, checksummed.

    Raises:
        DataError: The chain does not have the block yet.
        ChainUnavailable: No endpoint gives an answer.
    """
    draft = DeploymentDraft()
    found = await pin_block(rpcs, wanted.block)
    for each in found.left_out:
        if each.contradicts:
            meaning = "the endpoints follow different chains"
            draft.differs(f"RPC endpoint {each.name}", f"what {found.agreeing[0].name} says", each.reason, meaning)
        else:
            draft.is_unchecked(f"RPC endpoint {each.name}", each.reason)
    pinned, agreeing = found.block, found.agreeing
    chain_id = await agreeing[0].chain_id()
    check = _Check(agreeing, Hub(agreeing[0], hub), chain_id, pinned.number, wanted, draft, progress)
    statement, weak = await check.run()
    if statement is not None:
        for other in agreeing[1:]:
            progress(f"the same at {other.name}")
            await _ask_again(check, statement, other)
    return DeploymentReport(
        hub=hub,
        chain_id=chain_id,
        block=pinned.number,
        block_hash=to_hex(pinned.hash),
        block_time=pinned.timestamp,
        endpoints=tuple(each.name for each in agreeing),
        against=wanted.expected.against,
        statement=statement,
        differences=tuple(draft.differences),
        unchecked=tuple(draft.unchecked),
        weaknesses=weak,
        notes=tuple(draft.notes),
        checked=tuple(draft.checked),
    )


class _Check:
    """One check, at one block."""

    def __init__(
        self,
        rpcs: Sequence[Rpc],
        hub: Hub,
        chain_id: int,
        block: int,
        wanted: DeploymentCheck,
        draft: DeploymentDraft,
        progress: Progress,
    ) -> None:
        self.rpcs = rpcs
        self.rpc = rpcs[0]
        self.hub = hub
        self.chain_id = chain_id
        self.block = block
        self.wanted = wanted
        self.expected = wanted.expected
        self.draft = draft
        self.progress = progress
        self.first_admin = NOBODY
        self.has_beginning = False
        self.code = ContractChecks(self.rpc, wanted.contracts or compiled.packaged(), chain_id, block, draft)

    async def run(self) -> tuple[DeploymentStatement | None, tuple[Weakness, ...]]:
        """Check everything. Return what is there, and what is weak; None if nothing that the hub says is believed."""
        chain = self.expected.facts.get(("chain", "id"), str(self.chain_id))
        if chain != str(self.chain_id):  # it explains why no hub is there
            self.draft.extend(
                compare(Expectation(facts={("chain", "id"): chain}), {("chain", "id"): str(self.chain_id)})
            )
        # 1  the hub, and what its code names
        self.progress("code of the hub, its libraries, lens and factory")
        if not await self._contracts():
            return None, ()
        if self.code.has_foreign_code:
            reason = "they are read through code that is not this release's; mend that first"
            self.draft.is_unchecked("roles, delays, committees, models and feeds", reason)
            return None, ()
        # 2  roles
        self.progress("roles and delays")
        roles = await self._roles()
        # 3  committees, models, feeds
        self.progress("committees, models and feeds")
        settings = await read_settings(self.hub, self.block, self.expected.adapters)
        self._note_proposals(settings)
        # 4  adapters
        await check_adapters(self.code, self.hub.address, self.factory, settings.feeds)
        # 5  verifiers
        self.progress("verifiers")
        is_local = await self.rpc.is_local()
        verifiers = VerifierChecks(self.rpc, self.block, self.wanted.artifacts, self.draft, is_local=is_local)
        found = await verifiers.check(settings.architectures, settings.models)
        # 6  what else belongs to it
        also = list(dict.fromkeys([*self.expected.also, *self.wanted.also]))
        await check_further(self.code, self.hub.address, also, self.expected.hints, self._people(roles))
        # 7  the comparison
        contracts = {**found.contracts, **self.code.found}
        statement = DeploymentStatement(
            release=__version__,
            chain_id=self.chain_id,
            hub=self.hub.address,
            block=self.block,
            contracts=tuple(contracts[address] for address in sorted(contracts, key=str.lower)),
            architectures=found.architectures,
            models=settings.models,
            roles=roles,
            committees=settings.committees,
            feeds=settings.feeds,
        )
        facts = facts_of(statement)
        self.draft.extend(compare(self.expected.during_handover(facts), facts))
        # 8  weak settings
        people = [*roles.guardians, *(() if roles.admin is None else (roles.admin,))]
        codes = {each: await self.rpc.code(each, self.block) for each in people}
        knows_roles = self.has_beginning or self.wanted.only_stated_roles
        return statement, tuple(weaknesses(statement, codes, is_local=is_local, knows_roles=knows_roles))

    async def _contracts(self) -> bool:
        """Check the hub and the contracts that its code names. Return False if it is no hub."""
        contract = self.code.contracts["ZkOracle"]
        code = await self.rpc.code(self.hub.address, self.block)
        try:
            libraries = contract.libraries_in(code)
            linked = contract.link(libraries)
        except DeploymentError:
            linked = None
        if linked is None or not linked.matches(code, self.hub.address):
            found = compiled.other_code(code)
            self.draft.differs(
                f"hub {self.hub.address}", "this release's hub", found, "nothing that it says can be believed"
            )
            return False
        for name, address in libraries.items():
            await self.code.check(name, address, self._hints(address))
        values = linked.immutables_in(code)
        self.factory, lens = (checksum_address(to_hex(values[name][12:])) for name in ("aggregatorFactory", "lens"))
        for name, address in (("ZkAggregatorFactory", self.factory), ("ZkOracleLens", lens)):
            await self.code.check(name, address, self._hints(address))
        hints = self._hints(self.hub.address)
        if not self.wanted.only_stated_roles:
            hints += await self._own_hints(values, lens)
        await self.code.check("ZkOracle", self.hub.address, hints, linked)
        return True

    def _people(self, roles: StatedRoles) -> list[str]:
        """Return accounts that may have created a registry: the hub's first admin, and the present one."""
        first = None if self.first_admin == NOBODY else self.first_admin
        return [each for each in (first, self.expected.deployer, roles.admin) if each is not None]

    def _hints(self, address: str) -> list[Hint]:
        found = self.expected.hints.get(address)
        return [] if found is None else [found]

    async def _own_hints(self, values: Mapping[str, bytes], lens: str) -> list[Hint]:
        """Return ways in which the hub may have been created, as its code and its first events suggest."""
        grants = await self._first_grants()
        admin, guardians = _first_holders(grants)
        self.first_admin = admin
        delay = int.from_bytes(values["changeDelay"])
        return [
            Hint(hub_interface().encode_constructor(admin, guardian, delay, self.factory, lens), salt)
            for guardian in guardians
            for salt in (*self.wanted.salts, NO_SALT)
            if admin != NOBODY
        ]

    async def _first_grants(self) -> list[Log]:
        """Return the hub's first events of roles, and set `start` to a block that is not after its creation.

        The constructor grants the admin's role, and revokes none: where such events are, the history begins, whatever
        a node says of old states.
        """
        topics = [[hub_interface().topic("RoleGranted"), hub_interface().topic("RoleRevoked")]]
        if self.wanted.from_block is None:
            start = await first_block(self.rpc, self.hub.address, self.block)
            grants = await self.rpc.logs(self.hub.address, start, start, topics) if start else []
            if _first_holders(grants)[0] != NOBODY:
                self.start, self.has_beginning = start, True
                return grants
            self.progress(f"{self.rpc.name} has no old states: reading events of all blocks; --from-block shortens it")
        self.start = self.wanted.from_block or 0
        grants = await self.rpc.logs(self.hub.address, self.start, self.block, topics)
        self.has_beginning = _first_holders(grants)[0] != NOBODY
        return grants

    async def _roles(self) -> StatedRoles:
        if self.wanted.only_stated_roles:
            named = [subject.split(" ")[1] for subject, _ in self.expected.facts if subject.startswith("guardian ")]
            return (await read_roles(self.hub, self.block, [await named_roles(self.hub, self.block, named)]))[0]
        found: list[HubRoles] = []
        for rpc in self.rpcs:
            try:
                found.append(await hub_roles(Hub(rpc, self.hub.address), self.start, self.block))
            except ChainUnavailable as error:
                self.draft.is_unchecked(f"roles by {rpc.name}", str(error))
        if not found:
            raise ChainUnavailable(f"{self.rpc.name}: no endpoint tells who holds which role; ask another node")
        roles, problems = await read_roles(self.hub, self.block, found)
        for problem in problems:
            self.draft.differs("RPC endpoints", "the same logs", problem, "roles may be held that no log here shows")
        if not self.has_beginning:
            reason = f"no event of the hub's creation from block {self.start} on: name an earlier --from-block"
            self.draft.is_unchecked("roles", f"{reason}, or ask a node that has all logs")
        if len(self.rpcs) == 1:
            self.draft.notes.append(
                "roles are as this node's events tell them: name a second --rpc, or run `oracle audit`, which compares "
                "the hub's storage with its history"
            )
        self.draft.checked.append("roles: the hub was asked about each account that the logs name")
        return roles

    def _note_proposals(self, settings: HubSettings) -> None:
        for committee in settings.proposed_committees:
            self.draft.notes.append(
                f"committee {committee.number}: {', '.join(committee.proposed)} are proposed, with quorum "
                f"{committee.proposed_quorum}; they can become active from {committee.active_from} (unix seconds) on"
            )
        for feed, each in settings.proposals.items():
            if each.model is not None:
                when = f"it can become active from {each.model_from} (unix seconds) on"
                self.draft.notes.append(f"feed {feed}: model {each.model} is proposed; {when}")


def _first_holders(grants: Sequence[Log]) -> tuple[str, list[str]]:
    """Return the admin and the possible guardians that a hub's constructor was given, as its first events say."""
    admin, guardians = NOBODY, [NOBODY]
    for log in grants:
        if log.tx_hash != grants[0].tx_hash:
            break
        if log.topics[0] == hub_interface().topic("RoleRevoked"):
            return NOBODY, [NOBODY]  # a handover: the history began before
        account = checksum_address(to_hex(log.topics[2][12:]))
        if log.topics[1] == ADMIN_ROLE and admin == NOBODY:
            admin = account
        elif log.topics[1] == GUARDIAN_ROLE:
            guardians.insert(0, account)
    return admin, guardians


async def _ask_again(check: _Check, statement: DeploymentStatement, other: Rpc) -> None:
    """Ask a further endpoint for all that the first one told, except logs, which were united, and add what differs."""
    told, draft = of_statement(statement, check.rpc.name), DeploymentDraft()
    # Holders of roles that no function asks for are known by logs alone.
    facts = {fact: value for fact, value in told.facts.items() if not fact[0].startswith("holder ")}
    wanted = replace(check.wanted, expected=replace(told, facts=facts), artifacts=None, only_stated_roles=True)
    again = _Check([other], Hub(other, check.hub.address), check.chain_id, check.block, wanted, draft, check.progress)
    again.progress = lambda line: None
    try:
        await again.run()
    except ChainUnavailable as error:
        check.draft.is_unchecked(f"RPC endpoint {other.name}", str(error))
    for each in draft.differences:
        if each not in check.draft.differences:
            meaning = f"it and {check.rpc.name} contradict each other: one of them lies"
            check.draft.differs(f"RPC endpoint {other.name}, {each.subject}", each.expected, each.found, meaning)
