import { acmeNames, type AcmeSettings } from "../../acme/acme_parameters.ts";
import { Challenges } from "../../acme/challenges.ts";
import { assertNever } from "../../base/assert_never.ts";
import { readJson } from "../../base/bounded_json.ts";
import { Misfit } from "../../base/shape.ts";
import { splitHostPort } from "../../config/listen_address.ts";
import { families } from "../../config/own_addresses.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { Log } from "../../observe/log.ts";
import type { Identity } from "../../platform/process/spawn.ts";
import type { Child, ChildHandler, ChildOptions } from "../../platform/socket/child.ts";
import { errorCode, systemErrorText } from "../../platform/system_error.ts";
import type { AcmeStatus } from "../control/acme_status.ts";
import { ServiceFault } from "../control/service_fault.ts";
import type { SocketCalls } from "../listening_sockets.ts";
import { type AcmeBoot, type FromAcme, fromAcme, LONGEST_OF_ACME, type ToAcme } from "./acme_protocol.ts";

/** What it needs of master. */
export interface AcmeHost {
  spawn(options: ChildOptions, handler: ChildHandler): Child;
  readonly sockets: SocketCalls;
  after(milliseconds: number, call: () => void): () => void;
  /** A file's bytes, when that user cannot read it and we can. */
  lend(path: string, reader: Identity): string | undefined;
  readonly log: () => Log;
}

type Boot = Omit<AcmeBoot, "listeners" | "tlsListeners">;

const BACKLOG = 64;
/** Pause before the process is started again, in milliseconds: it doubles as long as it dies at once. */
const FIRST_PAUSE = 10_000;
const LONGEST_PAUSE = 600_000;

/** Lines of a process that are written down, and reports of bugs: mail_owner, whose process it is, must not fill the log. */
const MOST_LINES = 1000;
const MOST_BUGS = 10;

/** The process that keeps the certificate of acme_domains, where there are any: started, started again, asked. */
export class AcmeProcess {
  readonly #host: AcmeHost;
  /** What the process answers the authority, for http_listen. */
  #challenges = new Challenges();
  #child: Child | undefined;
  #boot: Boot | undefined;
  #identity: Identity | undefined;
  #listen = { http: "", tls: "" };
  #status: AcmeStatus | undefined;
  #waiting: ((status: AcmeStatus) => void)[] = [];
  #pause = FIRST_PAUSE;
  #lines = 0;
  #bugs = 0;
  #cancel = () => {};

  constructor(host: AcmeHost) {
    this.#host = host;
  }

  /** These settings count from now on, and `identity` is who the workers are. */
  apply(settings: AcmeSettings, identity: Identity | undefined): void {
    const boot = this.#bootOf(settings, identity);
    const listen = { http: settings.acme_http_listen, tls: settings.acme_tls_listen };
    const isSame = JSON.stringify([boot, listen, identity]) ===
      JSON.stringify([this.#boot, this.#listen, this.#identity]);
    if (isSame) return;
    this.stop();
    [this.#boot, this.#listen, this.#identity] = [boot, listen, identity];
    if (boot !== undefined) this.#start(boot);
  }

  stop(): void {
    this.#cancel();
    this.#boot = undefined;
    this.#status = undefined;
    const child = this.#child;
    this.#child = undefined;
    child?.kill("SIGKILL");
    const over = {
      names: [],
      state: "failed",
      problem: "ACME was stopped or has other settings now",
    } as const;
    for (const resolve of this.#waiting.splice(0)) resolve(over);
  }

  /** How it stands; undefined while ACME is off. */
  get status(): AcmeStatus | undefined {
    return this.#status;
  }

  /** What the authority is to be answered. */
  answer(token: string): string | undefined {
    return this.#challenges.answer(token);
  }

  /** A line for whoever looks after the service, if there is something to say. */
  notes(): string[] {
    const { state, problem, names = [] } = this.#status ?? {};
    return state === "failed" ? [`ACME: no certificate for ${names.join(", ")}: ${problem}`] : [];
  }

  /** Orders a certificate now; resolves when that has ended, whatever came of it. */
  renew(): Promise<AcmeStatus> {
    const child = this.#child;
    if (child === undefined) {
      const why = this.#boot === undefined
        ? "acme_domains is empty: ACME is off"
        : "the process for ACME is not running";
      return Promise.reject(new ServiceFault("unavailable", why));
    }
    if (this.#status?.state === "ordering") {
      return Promise.reject(new ServiceFault("busy", "a certificate is being ordered at this moment"));
    }
    child.send(JSON.stringify({ is: "renew" } satisfies ToAcme));
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  #bootOf(settings: AcmeSettings, identity: Identity | undefined): Boot | undefined {
    const boot = bootOf(settings);
    if (boot === undefined || boot.caFile === "" || identity === undefined) return boot;
    const caLent = this.#host.lend(boot.caFile, identity);
    return caLent === undefined ? boot : { ...boot, caLent };
  }

  #start(boot: Boot): void {
    this.#challenges = new Challenges();
    [this.#lines, this.#bugs] = [0, 0];
    const http = this.#openSockets("acme_http_listen", this.#listen.http);
    const tls = this.#openSockets("acme_tls_listen", this.#listen.tls);
    const fds = [...http, ...tls];
    const started = this.#host.spawn({
      args: ["--acme"],
      shownAs: "mta: acme",
      ...(this.#identity !== undefined && { identity: this.#identity }),
      inherit: fds,
      environment: { PATH: "/usr/bin:/bin" },
      silent: true,
      longestMessage: LONGEST_OF_ACME,
    }, {
      message: (line) => started === this.#child ? this.#read(line) : undefined,
      exit: () => this.#exited(started, boot),
    });
    this.#child = started;
    started.send(
      JSON.stringify({ ...boot, listeners: http.length, tlsListeners: tls.length } satisfies AcmeBoot),
    );
    for (const fd of fds) this.#host.sockets.close(fd);
  }

  #openSockets(parameter: string, value: string): number[] {
    return splitList(value).flatMap((item) => {
      const at = splitHostPort(item);
      if (typeof at === "string") return [];
      try {
        return [this.#host.sockets.open({ address: at.host, port: Number(at.port) }, BACKLOG, true)];
      } catch (error) {
        // A machine without IPv6 is not asked for it.
        if (at.host !== "::" || errorCode(error) !== "EAFNOSUPPORT") {
          this.#cannotListen(parameter, item, error);
        }
        return [];
      }
    });
  }

  #cannotListen(parameter: string, item: string, error: unknown): void {
    const instead = parameter === "acme_http_listen"
      ? ", or let who has it pass /.well-known/acme-challenge/ on to http_listen and set acme_http_listen to nothing"
      : "";
    const fix = errorCode(error) === "EACCES"
      ? "ports below 1024 are root's, and whose net.ipv4.ip_unprivileged_port_start lets have them"
      : "free the port";
    const why = `${parameter}: cannot listen on ${item}: ${systemErrorText(error)}; ${fix}${instead}`;
    this.#host.log().note("master", "warning", why);
  }

  #exited(child: Child, boot: Boot): void {
    if (child !== this.#child) return;
    this.#child = undefined;
    const problem = "the process for ACME has died";
    this.#took({ names: boot.names, state: "failed", problem });
    this.#host.log().note("master", "warning", `${problem}; it is started again in ${this.#pause / 1000} s`);
    this.#cancel = this.#host.after(this.#pause, () => this.#start(boot));
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
  }

  #read(line: string): void {
    const message = readJson(line, fromAcme);
    if (message instanceof Misfit) return this.#bug(String(message));
    this.#take(message);
  }

  #take(message: FromAcme): void {
    switch (message.is) {
      case "challenge":
        if (message.answer === undefined) this.#challenges.remove(message.token);
        else this.#challenges.add(message.token, message.answer);
        return;
      case "status":
        return this.#took(message.status);
      case "said":
        if (++this.#lines > MOST_LINES) return;
        return this.#host.log().note("master", message.warning ? "warning" : "info", `acme: ${message.text}`);
      case "bug":
        return this.#bug(message.what);
      default:
        return assertNever(message);
    }
  }

  #bug(what: string): void {
    if (++this.#bugs <= MOST_BUGS) {
      this.#host.log().emit("master", "bug", { what: `process for ACME: ${what}` });
    }
  }

  #took(status: AcmeStatus): void {
    this.#status = status;
    if (status.state === "ordering") return;
    if (status.state === "good") this.#pause = FIRST_PAUSE;
    for (const resolve of this.#waiting.splice(0)) resolve(status);
  }
}

function bootOf(settings: AcmeSettings): Boot | undefined {
  const names = acmeNames(settings);
  if (names.length === 0) return undefined;
  return {
    is: "boot",
    names,
    directory: settings.acme_directory,
    agrees: settings.acme_agree_to_terms,
    byTls: settings.acme_tls_listen !== "",
    emails: splitList(settings.acme_email),
    caFile: settings.acme_ca_file,
    dataDirectory: settings.data_directory,
    nameServers: splitList(settings.dns_servers),
    families: families(settings.inet_protocols) ?? [4],
  };
}
