import { AccountDoesNotExistError, type AcmeAccount, AcmeClient, type AcmeOrder } from "@fishballpkg/acme";
import * as keys from "@fishballpkg/acme/CryptoKeyUtils";
import type { AcmeFiles } from "./acme_files.ts";
import { type AcmeTransport, problemOf } from "./acme_transport.ts";
import { AcmeFailure, failureOf } from "./advice.ts";
import type { Proof, Proofs } from "./proofs.ts";

/** What an order is made with. */
export interface OrderOptions {
  /** acme_directory. */
  readonly directory: string;
  /** acme_agree_to_terms. */
  readonly agrees: boolean;
  readonly emails: readonly string[];
  readonly files: AcmeFiles;
  readonly proofs: Proofs;
  readonly transport: AcmeTransport;
  /** Waits so many milliseconds. */
  readonly pause: (milliseconds: number) => Promise<void>;
}

/** How often an order is looked at, and how long, in milliseconds. */
const LOOK = 1000;
const LOOKS = 120;

/** Orders a certificate for these names: a new key, then the chain, PEM. Rejects with an AcmeFailure that says what would help. */
export async function orderCertificate(names: readonly string[], options: OrderOptions): Promise<string> {
  try {
    const account = await openAccount(options);
    const order = await account.createOrder({ domains: [...names] });
    await prove(order, options);
    const pair = await order.finalize();
    await untilIssued(order, options);
    const { privateKey } = await keys.exportKeyPairToPem(pair);
    return `${privateKey.trim()}\n${(await order.getCertificate()).trim()}\n`;
  } catch (error) {
    throw explained(error, options);
  }
}

/** The library says little of what the authority has said; the transport has heard it. */
function explained(error: unknown, { transport: { trouble }, proofs: { port } }: OrderOptions): Error {
  if (error instanceof AcmeFailure) return error;
  const { problem, retryAfter } = trouble;
  if (problem !== undefined) return failureOf(problem, { port, retryAfter });
  return new AcmeFailure(
    `the authority's answer makes no sense: ${error instanceof Error ? error.message : error}`,
  );
}

async function openAccount(options: OrderOptions): Promise<AcmeAccount> {
  const { directory, files } = options;
  const client = await AcmeClient.init(directory);
  const known = files.accountKey(directory);
  if (known === undefined) return await createAccount(client, options);
  try {
    return await client.login({ keyPair: await keys.importKeyPairFromPemPrivateKey(known) });
  } catch (error) {
    if (!(error instanceof AccountDoesNotExistError)) throw error;
    files.forgetAccount(directory);
    return await createAccount(client, options);
  }
}

async function createAccount(
  client: AcmeClient,
  { directory, agrees, emails, files }: OrderOptions,
): Promise<AcmeAccount> {
  if (!agrees) {
    const terms = client.directory.meta?.termsOfService;
    throw new AcmeFailure(
      `the authority of ${directory} wants its terms to be accepted: read ${terms ?? "them"}, ` +
        "and set acme_agree_to_terms = yes",
    );
  }
  const account = await client.createAccount({ emails: [...emails] });
  files.keepAccountKey(directory, (await keys.exportKeyPairToPem(account.keyPair)).privateKey);
  return account;
}

/** Shows that all names lead here. */
async function prove(order: AcmeOrder, options: OrderOptions): Promise<void> {
  const { proofs } = options;
  const shown: Proof[] = [];
  try {
    for (const authorization of order.authorizations) {
      if ((await authorization.fetch()).status === "valid") continue;
      const challenge = authorization.findChallenge(proofs.type);
      if (challenge === undefined) {
        throw new AcmeFailure(`the authority takes no proof by ${proofs.type} for ${authorization.domain}`);
      }
      const { token } = challenge;
      const proof = { name: authorization.domain, token, answer: await challenge.keyAuthorization() };
      shown.push(proof);
      proofs.show(proof);
      await challenge.submit();
    }
    await Promise.all(order.authorizations.map((each) => untilProven(each, options)));
  } finally {
    for (const proof of shown) proofs.hide(proof);
  }
}

async function untilProven(
  authorization: AcmeOrder["authorizations"][number],
  { pause, proofs: { port } }: OrderOptions,
): Promise<void> {
  const name = authorization.domain;
  for (let look = 0; look < LOOKS; look++) {
    const { status, challenges } = await authorization.fetch();
    if (status === "valid") return;
    if (status !== "pending") {
      const errors = challenges.flatMap((each) =>
        "error" in each && isObject(each.error) ? [each.error] : []
      );
      const problem = errors[0] === undefined ? undefined : problemOf(errors[0]);
      throw failureOf({
        type: `authorization ${status}`,
        detail: `the proof is ${status}`,
        ...problem,
        name,
      }, { port });
    }
    await pause(LOOK);
  }
  throw new AcmeFailure(
    `the authority has not come to see the proof for ${name} within ${LOOKS * LOOK / 1000} s`,
  );
}

async function untilIssued(order: AcmeOrder, { pause, proofs: { port } }: OrderOptions): Promise<void> {
  for (let look = 0; look < LOOKS; look++) {
    const snapshot = await order.fetch();
    if (snapshot.status === "valid") return;
    if (snapshot.status === "invalid") {
      const problem = "error" in snapshot && isObject(snapshot.error) ? problemOf(snapshot.error) : undefined;
      throw failureOf({ type: "order invalid", detail: "the order was refused", ...problem }, { port });
    }
    await pause(LOOK);
  }
  throw new AcmeFailure(`the authority has not issued the certificate within ${LOOKS * LOOK / 1000} s`);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
