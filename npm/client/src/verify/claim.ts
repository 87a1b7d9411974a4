import {
  type Address,
  bytesToHex,
  decodeFunctionResult,
  encodeAbiParameters,
  encodeFunctionData,
  keccak256,
  numberToHex,
  toHex,
} from "viem";

import { claimRegistryAbi } from "../abi.js";
import { EndpointError } from "../read/errors.js";
import { asBytes, asQuantity, asRecord, exactInteger, toBigInt } from "./bytes.js";
import { PinnedChain } from "./chain.js";
import { type Claim, claimInstances, type ClaimShape, idOf, readClaim, shapeProblem } from "./claimfile.js";
import { CheckError, Unproven } from "./errors.js";
import { codeHashOf, runVerifier, setupPoint, type VerifierRun } from "./evm.js";
import { FIELD_MODULUS, INT128_MAX } from "./features.js";
import { CEREMONY, checkKey, filesOf, manifestOf, runtimeCode } from "./key.js";
import { foreignInstruction } from "./opcodes.js";
import { domainSeparator, signerOf } from "./signatures.js";
import { type Found, Recorder } from "./steps.js";
import type { ClaimCheck, ClaimOptions, ClaimStepId, PublicFiles, Watcher } from "./types.js";

const TITLES: Readonly<Record<ClaimStepId, string>> = {
  file: "The file is a claim",
  endpoints: "The endpoints agree on a block",
  model: "The claim is about this model",
  attestation: "An issuer vouches for the data",
  statement: "The statement is what the claim says",
  verifier: "The verifier's code is the one of the model",
  proof: "The proof holds in the verifier's own code",
  setup: "Nobody can forge proofs",
  key: "The code belongs to the published key",
  registry: "The registry has recorded the claim",
};
const ATTESTATION_TYPE = keccak256(
  toHex("Attestation(bytes32 modelId,address subject,uint256 commitment,uint40 issuedAt,uint40 expiresAt)"),
);
/** A claim names outputs by a byte. */
const MOST_OUTPUTS = 256n;
const LOCAL_CHAINS = new Set([31_337, 1_337]);

/** A model as the registry has it, or as public files say. */
interface ClaimModel {
  readonly shape: ClaimShape;
  readonly modelHash: bigint;
  readonly proofBytes: number;
  readonly code: Uint8Array;
  readonly verifier: Address | null;
}

/**
 * Check a claim: the statement is rebuilt from the file, and its proof is verified in the verifier's own code.
 *
 * With a registry, the model, the issuer and the record are those of the chain. Without one, the verifier is that of the
 * public files, and who vouches for the data is not known.
 *
 * @param claim The claim file's text: `JSON.parse` would round its integers. Nothing in it is believed.
 * @throws CheckError if an option is wrong. A file that is no claim is a step that fails.
 */
export function verifyInferenceProof(
  claim: string,
  options: ClaimOptions & Watcher<ClaimStepId> = {},
): Promise<ClaimCheck> {
  if (options.registry === undefined && (options.publicFiles ?? []).length === 0) {
    throw new CheckError("A claim is checked with a registry, or with the public files of its circuit: give one of them.");
  }
  return new ClaimChecker(claim, options).run();
}

class ClaimChecker {
  private readonly recorder: Recorder<ClaimStepId>;
  private readonly warnings = new Set<string>();
  private issuer: Address | null = null;

  constructor(
    private readonly text: string,
    private readonly options: ClaimOptions & Watcher<ClaimStepId>,
  ) {
    this.recorder = new Recorder(TITLES, options);
  }

  async run(): Promise<ClaimCheck> {
    const begun = performance.now();
    const claim = await this.recorder.step("file", () => {
      const value = readClaim(this.text);
      return { detail: `It is about ${value.model}, of subject ${value.subject}.`, value };
    });
    if (claim !== null) await this.checked(claim);
    else this.skip(["model", "statement", "verifier", "proof", "setup", "key"], "the file is no claim");
    return {
      verdict: this.recorder.verdict,
      steps: this.recorder.steps,
      facts: claim === null ? null : factsOf(claim, this.issuer),
      warnings: [...this.warnings],
      remains: [
        "That the published key is that of a claim's circuit, so that no prover chooses a side: oracle claim verify-model " +
          `${claim === null ? "MODEL-ID" : idOf(claim)} --artifact FOLDER.`,
        ...(this.options.registry === undefined ? ["Who vouches for the data: name the registry."] : []),
      ],
      milliseconds: performance.now() - begun,
    };
  }

  private async checked(claim: Claim): Promise<void> {
    const { registry } = this.options;
    const chain =
      registry === undefined
        ? null
        : await this.recorder.step("endpoints", async () => {
            const value = await PinnedChain.pin(registry.address, registry.endpoints, "latest");
            const left = value.leftOut.find(({ isContradiction }) => isContradiction);
            if (left !== undefined) throw new Unproven(`${left.name} contradicts ${value.names.join(" and ")}: ${left.why}`, [left.name]);
            if (value.names.length === 1) {
              this.warnings.add(`What the registry has was read from one endpoint, ${value.names.join()}, and nothing proves it: name a second one.`);
            }
            return { detail: `Block ${String(value.head.number)}, ${value.head.hash}, at ${value.names.join(" and ")}.`, value };
          });
    if (registry !== undefined && chain === null) {
      this.skip(["model", "attestation", "statement", "verifier", "proof", "setup", "key", "registry"], "no endpoint could be relied on");
      return;
    }
    const model = await this.recorder.step("model", () => this.model(claim, chain));
    if (model === null) {
      this.skip(["statement", "verifier", "proof", "setup", "key"], "the model is not known");
      return;
    }
    if (chain !== null) await this.recorder.step("attestation", () => this.attestation(claim, chain));
    const instances = await this.recorder.step("statement", () => this.statement(claim, model, chain));
    if (instances === null) {
      this.skip(["verifier", "proof", "setup", "key"], "there is no statement");
      return;
    }
    await this.recorder.step("verifier", () => this.verifier(claim, model));
    const run = await this.recorder.step("proof", () => this.proof(claim, model, instances));
    if (run === null) this.skip(["setup", "key"], "nothing is known of what the verifier computes with");
    else {
      await this.recorder.step("setup", () => this.setup(run, chain));
      await this.recorder.step("key", () => this.key(claim, model, run));
    }
    if (chain !== null) await this.recorder.step("registry", () => this.recorded(claim, chain));
  }

  private async model(claim: Claim, chain: PinnedChain | null): Promise<Found & { value: ClaimModel }> {
    const value = chain === null ? this.publishedModel(claim) : await registeredModel(claim, chain);
    if (value.modelHash !== claim.modelHash) throw new Unproven("the claim has the hash of another model's weights");
    const { limit, outputs, changes } = value.shape;
    const id = keccak256(
      encodeAbiParameters(
        [{ type: "uint256" }, { type: "bytes32" }, { type: "uint256" }, { type: "uint256" }, { type: "uint256" }, { type: "bool" }],
        [value.modelHash, codeHashOf(value.code), BigInt(value.proofBytes), limit, BigInt(outputs), changes],
      ),
    );
    if (id !== idOf(claim)) throw new Unproven("the model's id is not the hash of its weights' hash, its verifier's code, and the form of its claims");
    const of = chain === null ? "of the public files" : "of the registry";
    return { detail: `Model ${id} ${of}: its id follows from its weights' hash, its verifier's code and the form of its claims.`, value };
  }

  private publishedModel(claim: Claim): ClaimModel {
    for (const files of this.options.publicFiles ?? []) {
      const manifest = manifestOf(files);
      const [told, code] = [asRecord(asRecord(manifest?.imported)?.claim), runtimeCode(files)];
      const [outputs, limit, proofBytes] = [exactInteger(told?.outputs), exactInteger(told?.limit), exactInteger(manifest?.proof_bytes)];
      const [changes, modelHash] = [told?.changes, asQuantity(manifest?.model_hash)];
      if (code === null || modelHash !== claim.modelHash || typeof changes !== "boolean") continue;
      if (outputs === null || limit === null || proofBytes === null) continue;
      if (outputs < 1n || outputs > MOST_OUTPUTS || limit < 1n || limit > INT128_MAX) continue;
      return { shape: { outputs: Number(outputs), changes, limit }, modelHash, proofBytes: Number(proofBytes), code, verifier: null };
    }
    throw new Unproven("none of the public files is of the claim's model: ask its owner for them (oracle model publish)");
  }

  private async attestation(claim: Claim, chain: PinnedChain): Promise<Found & { value: true }> {
    const { attestation } = claim;
    if (attestation === null) {
      this.warnings.add("No issuer vouches for the data: the file has no attestation.");
      return { detail: "The file has no attestation: the claim may be about data that nobody has checked.", open: true, value: true };
    }
    const content = keccak256(
      encodeAbiParameters(
        [{ type: "bytes32" }, { type: "bytes32" }, { type: "address" }, { type: "uint256" }, { type: "uint40" }, { type: "uint40" }],
        [ATTESTATION_TYPE, idOf(claim), claim.subject, claim.commitment, attestation.issuedAt, attestation.expiresAt],
      ),
    );
    const domain = domainSeparator("ClaimRegistry", "1", chain.chainId, chain.hub);
    const digest = keccak256(`0x1901${domain.slice(2)}${content.slice(2)}`);
    const { signature } = attestation;
    const parity = signature[64] === 27 ? 0 : signature[64] === 28 ? 1 : null;
    if (parity === null) throw new Unproven("the attestation's signature is malformed");
    const issuer = await signerOf(digest, bytesToHex(signature.subarray(0, 32)), toBigInt(signature.subarray(32, 64)), parity);
    if (!(await call(chain, "isIssuer", [idOf(claim), issuer]))) {
      throw new Unproven(`${issuer} signed, whom the registry does not have as an issuer of this model: or the attestation is of another claim`);
    }
    if (await call(chain, "isRevoked", [issuer, claim.commitment])) throw new Unproven(`its issuer ${issuer} has revoked it`);
    if (chain.head.time >= attestation.expiresAt) throw new Unproven(`the attestation expired at ${String(attestation.expiresAt)}`);
    this.issuer = issuer;
    return { detail: `${issuer}, an issuer of the model, checked the data at ${String(attestation.issuedAt)} (EIP-712).`, value: true };
  }

  private statement(claim: Claim, { shape }: ClaimModel, chain: PinnedChain | null): Found & { value: readonly bigint[] } {
    const problem = shapeProblem(claim, shape);
    if (problem !== null) throw new Unproven(`the claim is none of its model: ${problem}`);
    const now = this.options.now ?? chain?.head.time ?? Math.floor(Date.now() / 1_000);
    if (claim.expiresAt <= now) throw new Unproven(`the claim expired at ${String(claim.expiresAt)}`);
    const value = claimInstances(claim, shape);
    return { detail: `${String(value.length)} instances: hashes, two edges of each quantity, expiry and subject.`, value };
  }

  private verifier(claim: Claim, model: ClaimModel): Found & { value: true } {
    if (claim.proof.length !== model.proofBytes) {
      throw new Unproven(`the proof has ${String(claim.proof.length)} bytes, and the model's have ${String(model.proofBytes)}`);
    }
    const foreign = foreignInstruction(model.code);
    if (foreign !== null) throw new Unproven(`the verifier's code has ${foreign}: it may decide otherwise on the chain than here, and is none of ezkl's`);
    const where = model.verifier === null ? "of the public files" : `at ${model.verifier}`;
    return { detail: `${String(model.code.length)} bytes of code ${where}, whose hash is part of the model's id.`, value: true };
  }

  private async proof(claim: Claim, { code }: ClaimModel, instances: readonly bigint[]): Promise<Found & { value: VerifierRun }> {
    if (instances.some((each) => each < 0n || each >= FIELD_MODULUS)) throw new Unproven("an instance is no field element");
    const run = await runVerifier(code, claim.proof, instances);
    if (run.foreign.length > 0) throw new Unproven(`the verifier's code calls ${String(run.foreign[0])}, which may answer otherwise on the chain`);
    if (!run.accepted) throw new Unproven("the proof does not hold for what the claim says: the claim, or the proof, was altered");
    const subject = instances.length - 2;
    const others = [...instances.slice(0, subject), ((instances[subject] ?? 0n) + 1n) % FIELD_MODULUS, ...instances.slice(subject + 1)];
    if ((await runVerifier(code, claim.proof, others)).accepted) {
      throw new Unproven("the verifier's code accepts the same proof for another subject, too: it verifies nothing");
    }
    return {
      detail: `${String(claim.proof.length)} bytes, run in an EVM here: ${String(run.gas)} gas. For another subject it does not hold.`,
      value: run,
    };
  }

  private setup(run: VerifierRun, chain: PinnedChain | null): Found & { value: true } {
    const point = setupPoint(run);
    if (point === null) throw new Unproven("the code does not check one pairing, as a verifier of these proofs does");
    if (point === CEREMONY) return { detail: "The pairing that was checked is that of the public ceremony's reference string.", value: true };
    const text = "The code checks the pairing with a local reference string: WHOEVER MADE IT CAN FORGE CLAIMS";
    if (chain !== null && !LOCAL_CHAINS.has(chain.chainId)) throw new Unproven(`${text}. Do not rely on it`);
    this.warnings.add("INSECURE: the code checks the pairing with a local reference string: whoever made it can forge claims.");
    return { detail: `${text}. On a local chain that is as it should be.`, open: true, value: true };
  }

  private async key(claim: Claim, { code }: ClaimModel, run: VerifierRun): Promise<Found & { value: boolean }> {
    const { publicFiles = [], compile } = this.options;
    const files = filesOf(publicFiles, code);
    if (files === null) {
      this.warnings.add(`Nothing shows that an output of 1 is ${String(claim.unit)} in the circuit: load the public files.`);
      return { detail: "No public files of this circuit were given: load those that the model's owner publishes.", open: true, value: false };
    }
    const found = await checkKey(files, code, run, setupPoint(run), compile);
    const unit = unitOf(files);
    if (unit !== claim.unit) throw new Unproven(`the claim's unit is ${String(claim.unit)}, the published circuit's ${String(unit)}`);
    return {
      detail: `Public files ${found.name}: its constants are those of vk.key (${String(found.commitments)} commitments), and the run computed with each of them.`,
      value: true,
    };
  }

  private async recorded(claim: Claim, chain: PinnedChain): Promise<Found & { value: boolean }> {
    const told = (each: readonly { output: number; lo: bigint; hi: bigint }[]): { output: number; lo: bigint; hi: bigint }[] => [...each];
    const terms = { modelId: idOf(claim), bounds: told(claim.bounds), changes: told(claim.changes), earlier: claim.earlier };
    const isValid = await call(chain, "isValid", [claim.subject, terms]);
    const detail = isValid ? "Yes, and it counts now." : "No: it was not submitted, or it counts no longer.";
    return { detail, open: !isValid, value: isValid };
  }

  private skip(ids: readonly ClaimStepId[], why: string): void {
    this.recorder.skip(ids, `It was not looked at, as ${why}.`);
  }
}

async function registeredModel(claim: Claim, chain: PinnedChain): Promise<ClaimModel> {
  const found = await call(chain, "model", [idOf(claim)]).catch((error: unknown) => {
    if (error instanceof EndpointError && error.meaning === "reverted") throw new Unproven(`the registry has no model ${idOf(claim)}`);
    throw error;
  });
  if (found.isRetired) throw new Unproven(`the model ${idOf(claim)} is retired`);
  if (found.activeAt > chain.head.time) throw new Unproven(`the model ${idOf(claim)} is active from ${String(found.activeAt)} on`);
  return {
    shape: { outputs: found.outputs, changes: found.changes, limit: found.limit },
    modelHash: found.modelHash,
    proofBytes: found.proofBytes,
    code: await chain.code(found.verifier),
    verifier: found.verifier,
  };
}

type Functions = "model" | "isIssuer" | "isRevoked" | "isValid";
type Result<F extends Functions> = ReturnType<typeof decodeFunctionResult<typeof claimRegistryAbi, F>>;

/** Call a view of the registry at the pinned block. */
async function call<F extends Functions>(
  chain: PinnedChain,
  functionName: F,
  args: Parameters<typeof encodeFunctionData<typeof claimRegistryAbi, F>>[0]["args"],
): Promise<Result<F>> {
  const data = encodeFunctionData<typeof claimRegistryAbi, Functions>({ abi: claimRegistryAbi, functionName, args } as never);
  const { endpoint } = chain.reader;
  const answer = await endpoint.request("eth_call", [{ to: chain.hub, data }, numberToHex(chain.head.number)]);
  const found = asBytes(answer);
  if (found === null || found === "0x") throw new Unproven(`there is no claim registry at ${chain.hub}`, []);
  try {
    return decodeFunctionResult<typeof claimRegistryAbi, F>({ abi: claimRegistryAbi, functionName, data: found } as never);
  } catch {
    throw new Unproven(`${chain.hub} is no claim registry of this release`);
  }
}

function unitOf(files: PublicFiles): bigint {
  return exactInteger(manifestOf(files)?.score_unit) ?? -1n;
}

function factsOf(claim: Claim, issuer: Address | null): NonNullable<ClaimCheck["facts"]> {
  return {
    model: claim.model,
    modelId: idOf(claim),
    subject: claim.subject,
    expiresAt: claim.expiresAt,
    bounds: [
      ...claim.bounds.map((each) => ({ ...each, isChange: false })),
      ...claim.changes.map((each) => ({ ...each, isChange: true })),
    ],
    unit: claim.unit,
    issuer,
    issuedAt: claim.attestation?.issuedAt ?? null,
  };
}
