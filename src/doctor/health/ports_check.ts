import { type CheckResult, ok, problem, warning } from "../check_result.ts";

/** A port that a service listens on. */
export interface Port {
  readonly address: string;
  readonly port: number;
  /** `smtp/inet`. */
  readonly service: string;
  /** The program of master.cf. */
  readonly program: string;
  /** A wildcard that the machine may not have. */
  readonly optional: boolean;
  /** What is heard first: a greeting, one under TLS, or nothing that can be told from here. */
  readonly greets: "at once" | "under TLS" | "never";
}

/** What became of a try. */
export type PortState =
  /** The service runs. */
  | { readonly is: "answers"; readonly greeting: string }
  | { readonly is: "fails"; readonly why: string; readonly refused: boolean }
  /** It does not run, and the port can be bound. */
  | { readonly is: "free" }
  /** It cannot; `code` is the system's. */
  | { readonly is: "not free"; readonly code: string; readonly why: string };

/** Ports, and what was found at each. */
export interface PortsFacts {
  readonly running: boolean;
  readonly ports: readonly (Port & { readonly state: PortState })[];
}

const portText = ({ address, port }: Port) =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

/** Whether clients are answered: by the service where it runs, else whether its ports are free for it. */
export function checkPorts({ running, ports }: PortsFacts): CheckResult[] {
  const service = running
    ? ok("service", "runs")
    : warning("service", "does not run: nobody is answered, and nothing is delivered", { fix: "mta start" });
  const judged = ports.map((port) => ({ port, found: judge(port, port.state) }));
  const bad = judged.flatMap(({ found }) => found === undefined ? [] : [found]);
  const good = judged.filter(({ found, port: { state: { is } } }) =>
    found === undefined && (is === "answers" || is === "free")
  ).map(({ port }) => portText(port));
  if (ports.length === 0) {
    return [service, warning("ports", "no entry of master.cf listens to the network", { fix: ENTRY })];
  }
  if (good.length === 0) return [service, ...bad];
  return [
    service,
    ok("ports", `${good.join(", ")} ${running ? good.length > 1 ? "answer" : "answers" : "can be bound"}`),
    ...bad,
  ];
}

const ENTRY = "an entry like: smtp inet n - n - - smtpd";

function judge(port: Port, state: PortState): CheckResult | undefined {
  const name = `${portText(port)} (${port.service})`;
  switch (state.is) {
    case "free":
      return undefined;
    case "answers":
      return /^2/.test(state.greeting) || port.greets === "never"
        ? undefined
        : problem("ports", `${name} turns clients away: ${state.greeting}`, {
          fix: /\b4\.3\.[0-9]+ /.test(state.greeting)
            ? "`mta check` says why it is closed"
            : "`mta explain --client ADDRESS` says which restriction does so to this machine",
        });
    case "fails":
      return state.refused && port.optional
        ? undefined
        : problem("ports", `${name} does not answer: ${state.why}`, {
          fix: state.refused
            ? "the service has not loaded this entry of master.cf: `mta reload`"
            : port.greets === "under TLS"
            ? "`mta check` says what is wrong with keys and certificates"
            : "the log says more; `mta status --json` shows its workers",
        });
    case "not free":
      return unbound(name, port, state);
  }
}

function unbound(
  name: string,
  { port, optional, address }: Port,
  { code, why }: PortState & { is: "not free" },
): CheckResult | undefined {
  if (optional && (code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL")) return undefined;
  if (code === "EACCES") {
    return warning("ports", `${name} can be bound by root alone, so this was not tried`, {
      fix: "run it as root",
    });
  }
  const fix = code === "EADDRINUSE"
    ? `another program has it: \`ss -ltnp 'sport = :${port}'\` names it; stop that one (systemctl disable --now postfix exim4)`
    : code === "EADDRNOTAVAIL"
    ? `${address} is no address of this machine: see inet_interfaces, and the entry of master.cf`
    : "see inet_interfaces, and the entry of master.cf";
  return problem("ports", `${name} cannot be bound: ${why}`, { fix });
}
