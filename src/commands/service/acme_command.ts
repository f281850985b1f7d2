import { writeErr, writeOut } from "../../platform/process/this_process.ts";
import type { AcmeStatus } from "../../master/control/acme_status.ts";
import type { CommandContext } from "../command.ts";
import { ask, failed, settingsOf } from "../service_control.ts";

const HELP = `usage: mta [-c config_dir] acme [status|renew] [--json]

the certificate that acme_domains orders (RFC 8555)

  status       how it stands with it, and what is due when
  renew        order it now; ends when it is there, or has failed
  --json       one object
`;

const USAGE = 64;
/** An order waits for the authority's visits, in milliseconds. */
const PATIENCE = 600_000;

/** `mta acme`: exit status 0 when there is a good certificate. */
export async function acme(context: CommandContext): Promise<number> {
  const { args } = context;
  if (args.some((arg) => arg === "--help" || arg === "-h")) return (writeOut(HELP), 0);
  const [action = "status", ...rest] = args.filter((arg) => arg !== "--json");
  if ((action !== "status" && action !== "renew") || rest.length > 0) {
    writeErr(`mta acme: fatal: unknown argument: "${rest[0] ?? action}"\n${HELP}`);
    return USAGE;
  }
  const configuration = settingsOf(context);
  if (configuration === undefined) return 1;
  const answer = await ask(configuration, action === "renew" ? "acme_renew" : "acme", {}, PATIENCE);
  if (answer.is !== "done") return failed(answer, configuration);
  const { status } = answer.value;
  writeOut(args.includes("--json") ? `${JSON.stringify(status ?? {})}\n` : `${textOf(status)}\n`);
  return status?.state === "good" ? 0 : 1;
}

function textOf(status: AcmeStatus | undefined): string {
  if (status === undefined) return "acme_domains is empty: ACME is off";
  const { names, state, next, until, problem } = status;
  const date = (time: number) => `${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  const lines = [`names:    ${names.join(" ")}`, `state:    ${STATES[state]}`];
  if (until !== undefined) lines.push(`expires:  ${date(until)}`);
  if (next !== undefined) lines.push(`${state === "good" ? "renewal:  " : "again at: "}${date(next)}`);
  if (problem !== undefined) lines.push(`problem:  ${problem}`);
  return lines.join("\n");
}

const STATES: Readonly<Record<AcmeStatus["state"], string>> = {
  good: "there is a good certificate",
  ordering: "a certificate is being ordered",
  failed: "the last order has failed",
  busy: "another process orders it",
};
