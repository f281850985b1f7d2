import { AcmeFiles } from "../../acme/acme_files.ts";
import { AcmeTransport } from "../../acme/acme_transport.ts";
import { authorityAddresses } from "../../acme/authority_addresses.ts";
import { CertificateKeeper, type Round } from "../../acme/certificate_keeper.ts";
import { Challenges } from "../../acme/challenges.ts";
import { ALPN_PROTOCOL, httpProofs, TlsProofs } from "../../acme/proofs.ts";
import { orderCertificate } from "../../acme/order.ts";
import { assertNever } from "../../base/assert_never.ts";
import { readJson } from "../../base/bounded_json.ts";
import { systemClock } from "../../base/clock.ts";
import { Misfit } from "../../base/shape.ts";
import { createSystemResolver } from "../../dns/system_resolver.ts";
import { onSignal, onUncaught } from "../../platform/process/signals.ts";
import { FIRST_INHERITED, type ParentChannel, parentChannel } from "../../platform/socket/child.ts";
import { serveAlpn } from "../../platform/socket/alpn_server.ts";
import { serveHttp } from "../../platform/socket/http_server.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { AuthorityStore } from "../../tls/verification/authorities.ts";
import { durationText } from "../../tls/own/chain_problems.ts";
import { systemTlsFiles } from "../../tls/tls_files.ts";
import type { AcmeStatus } from "../control/acme_status.ts";
import { type AcmeBoot, type FromAcme, LONGEST_OF_ACME, toAcme } from "./acme_protocol.ts";

/** A pause between two rounds is not shorter, in milliseconds, whatever went wrong. */
const SHORTEST = 1000;
/** After a fault of the machine (a full disk) it is tried again so much later, in milliseconds. */
const FAULT = 600_000;

/** A process started as `--acme`, as mail_owner: orders the certificate of acme_domains, and renews it. */
export async function runAcme(): Promise<number> {
  const channel = parentChannel();
  if (channel === undefined) return 1;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) onSignal(name, () => {});
  const { promise, resolve } = Promise.withResolvers<void>();
  const tell = (message: FromAcme) => channel.send(JSON.stringify(message));
  onUncaught((error) => tell({ is: "bug", what: bugText(error) }));
  hear(channel, tell);
  channel.onClose(() => resolve());
  await promise;
  return 0;
}

function bugText(error: unknown): string {
  return String(error instanceof Error ? error.stack : error).slice(0, LONGEST_OF_ACME / 8);
}

function hear(channel: ParentChannel, tell: (message: FromAcme) => void): void {
  let work: AcmeWork | undefined;
  channel.onMessage((line) => {
    const message = readJson(line, toAcme);
    if (message instanceof Misfit) return tell({ is: "bug", what: `message of master: ${message}` });
    switch (message.is) {
      case "boot":
        work = new AcmeWork(message, tell);
        return void work.start();
      case "renew":
        return void work?.work(true);
      default:
        return assertNever(message);
    }
  });
}

/** The rounds of the keeper, one after the other. */
class AcmeWork {
  readonly #boot: AcmeBoot;
  readonly #tell: (message: FromAcme) => void;
  readonly #challenges: Challenges;
  readonly #tlsProofs = new TlsProofs(() => systemClock.now());
  readonly #keeper: CertificateKeeper;
  #cancel = () => {};
  #isWorking = false;
  #until: number | undefined;

  constructor(boot: AcmeBoot, tell: (message: FromAcme) => void) {
    this.#boot = boot;
    this.#tell = tell;
    this.#challenges = new Challenges((token, answer) =>
      tell({ is: "challenge", token, ...(answer !== undefined && { answer }) })
    );
    const files = new AcmeFiles(boot.dataDirectory);
    this.#keeper = new CertificateKeeper({
      names: boot.names,
      files,
      order: () => this.#order(files),
      now: () => systemClock.now(),
      chance: () => Math.random(),
    });
  }

  async start(): Promise<void> {
    for (let at = 0; at < this.#boot.listeners; at++) {
      await serveHttp({ fd: FIRST_INHERITED + at }, (request) => this.#challenges.respond(request));
    }
    for (let at = 0; at < this.#boot.tlsListeners; at++) {
      await serveAlpn({
        fd: FIRST_INHERITED + this.#boot.listeners + at,
        protocol: ALPN_PROTOCOL,
        contextFor: (name) => this.#tlsProofs.contextFor(name),
      });
    }
    await this.work(false);
  }

  async work(asked: boolean): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    this.#cancel();
    try {
      this.#status("ordering", {});
      this.#took(await this.#keeper.round(asked));
    } catch (error) {
      const problem = `${systemErrorText(error)} (data_directory/acme)`;
      this.#say(true, `no certificate for ${this.#names}: ${problem}`);
      this.#status("failed", { problem });
      this.#again(FAULT);
    } finally {
      this.#isWorking = false;
    }
  }

  get #names(): string {
    return this.#boot.names.join(", ");
  }

  #order(files: AcmeFiles): Promise<string> {
    const { names, directory, agrees, emails, caFile, caLent, byTls, nameServers, families } = this.#boot;
    const authorities = new AuthorityStore(
      { file: caFile, folder: "", appendSystem: false, systemAlone: caFile === "" },
      systemTlsFiles(() => caLent === undefined ? {} : { [caFile]: caLent }),
      (text) => this.#say(true, text),
    );
    const transport = new AcmeTransport({
      resolver: authorityAddresses(createSystemResolver(nameServers)),
      families: families.map((each) => each === 6 ? 6 : 4),
      authorities: () => authorities.current(),
      mayReach: () => true,
      now: () => systemClock.now(),
    });
    transport.install();
    const pause = (milliseconds: number) =>
      new Promise<void>((resolve) => void systemClock.after(milliseconds, resolve));
    return orderCertificate(names, {
      directory,
      agrees,
      emails,
      files,
      proofs: byTls ? this.#tlsProofs : httpProofs(this.#challenges),
      transport,
      pause,
    });
  }

  #took(round: Round): void {
    const now = systemClock.now();
    if (round.is === "kept" || round.is === "issued") {
      this.#until = round.until;
      if (round.is === "issued") {
        this.#say(
          false,
          `certificate for ${this.#names} issued, good for ${durationText(round.until - now)}`,
        );
      }
      this.#status("good", { next: round.next });
    } else if (round.is === "busy") this.#status("busy", { next: round.next });
    else {
      if (round.is === "failed") {
        const attempts = round.attempts === 1 ? "" : ` (attempt ${round.attempts})`;
        const again = new Date(round.next).toISOString().slice(0, 16).replace("T", " ");
        this.#say(
          true,
          `no certificate for ${this.#names}${attempts}: ${round.problem}; it is tried again at ${again} UTC`,
        );
      }
      this.#status("failed", { next: round.next, problem: round.problem });
    }
    this.#again(round.next - now);
  }

  #again(after: number): void {
    this.#cancel = systemClock.after(Math.max(after, SHORTEST), () => void this.work(false));
  }

  #say(warning: boolean, text: string): void {
    this.#tell({ is: "said", warning, text: text.slice(0, 4000) });
  }

  #status(state: AcmeStatus["state"], more: Pick<AcmeStatus, "next" | "problem">): void {
    const { names } = this.#boot;
    const until = this.#until;
    this.#tell({ is: "status", status: { names, state, ...(until !== undefined && { until }), ...more } });
  }
}
