import { checkServerTls } from "./check_server_tls.ts";
import type { Diagnostic } from "../syntax/diagnostic.ts";
import { checkRelayGuard, checkRestrictionLists } from "./check_restrictions.ts";
import { checkGateway } from "./check_gateway.ts";
import { checkMailboxLimit } from "./check_mailbox_limits.ts";
import { checkMimeSettings } from "./check_mime_settings.ts";
import { textOf } from "./check_main.ts";
import { checkValues } from "./check_values.ts";
import { closing, narrowedTo } from "./closings.ts";
import type { MasterCf } from "../syntax/master_cf.ts";
import type { Scope, Setting } from "../scope.ts";
import { type Service, serviceKey } from "../service.ts";
import type { ScopedService } from "../services.ts";

/** Programs of master.cf(5), and whether an entry for them changes anything here. */
const PROGRAMS: ReadonlySet<string> = new Set([
  ...[
    "smtpd",
    "postscreen",
    "qmqpd",
    "smtp",
    "lmtp",
    "local",
    "virtual",
    "pipe",
    "error",
    "discard",
    "spawn",
  ],
  ...["pickup", "cleanup", "qmgr", "oqmgr", "nqmgr", "trivial-rewrite", "bounce", "verify", "flush", "showq"],
  ...["proxymap", "tlsmgr", "anvil", "scache", "postlogd", "dnsblog", "tlsproxy", "qmqp"],
]);

/** The `-o` settings of an entry, for the value check. */
function optionsOf({ entry, scope }: ScopedService): Setting[] {
  return entry.options.map(({ name }) => scope.setting(name)).filter((each) => each !== undefined);
}

function listensForMail({ service }: ScopedService): boolean {
  return service.program === "smtpd" && (service.type === "inet" || service.type === "pass");
}

function checkSasl({ scope, service }: ScopedService, prefix: "smtp" | "lmtp"): Diagnostic[] {
  const enabled = textOf(scope, `${prefix}_sasl_auth_enable`)?.toLowerCase() === "yes";
  if (!enabled || textOf(scope, `${prefix}_sasl_password_maps`) !== "") return [];
  const text = `specify a password table via the \`${prefix}_sasl_password_maps' configuration parameter`;
  const expected = `${prefix}_sasl_password_maps = hash:/etc/postfix/sasl_passwd`;
  const problem = scope.complaint(`${prefix}_sasl_auth_enable`, "yes", text, expected);
  return [closing({ ...problem, service: serviceKey(service) }, [service])];
}

/** verify(8) does not start with a sender that is half an address. */
function checkProbeSender({ scope, service }: ScopedService): Diagnostic[] {
  const sender = service.program === "verify" ? textOf(scope, "address_verify_sender") ?? "" : "";
  if (!sender.startsWith("@") && !sender.endsWith("@")) return [];
  const where = sender.startsWith("@") ? "start" : "end";
  const text = `parameter address_verify_sender: value "${sender}" must not ${where} with '@'`;
  const expected = "an address, a local part, or nothing (<>)";
  return [closing(scope.complaint("address_verify_sender", sender, text, expected), [service])];
}

function checkProgram(master: MasterCf, { service }: ScopedService): Diagnostic[] {
  if (PROGRAMS.has(service.program)) return [];
  return [{
    level: "closed",
    closes: [serviceKey(service)],
    text: `${master.path}: line ${service.line}: unknown program: ${service.program}`,
    file: master.path,
    line: service.line,
    service: serviceKey(service),
    expected: "a program of master(5), such as smtpd, smtp or pipe",
  }];
}

const closingIfFatal = (problem: Diagnostic, stopped: readonly Service[]) =>
  problem.level === "fatal" ? closing(problem, stopped) : problem;

/** Checks of the lists of main.cf; what smtpd(8) does not start with closes those who have it. */
export function checkMainLists(main: Scope, services: readonly ScopedService[]): Diagnostic[] {
  const own = services.filter(listensForMail).map(({ scope, service }) => {
    const texts = checkRestrictionLists(scope).filter(({ level }) => level === "fatal").map(({ text }) =>
      text
    );
    return { service, texts: new Set(texts) };
  });
  return checkRestrictionLists(main).map((problem) =>
    closingIfFatal(problem, own.filter(({ texts }) => texts.has(problem.text)).map(({ service }) => service))
  );
}

/** Checks of one service with its own settings. */
export function checkService(master: MasterCf, scoped: ScopedService, checkLists: boolean): Diagnostic[] {
  const { scope, service } = scoped;
  const found = [
    ...checkProgram(master, scoped),
    ...checkValues(scope, optionsOf(scoped), new Set([service.program])).map((each) =>
      narrowedTo(scoped, each)
    ),
    ...checkMailboxLimit(scoped),
    ...checkMimeSettings(scoped),
    ...checkProbeSender(scoped),
  ];
  if (listensForMail(scoped)) {
    found.push(...checkRelayGuard(scope, service), ...checkServerTls(scope, serviceKey(service)));
    if (scoped.entry.options.some(({ name }) => name === "mynetworks")) found.push(...checkGateway(scope));
    if (checkLists) {
      found.push(...checkRestrictionLists(scope).map((each) => closingIfFatal(each, [service])));
    }
  }
  if (service.program === "smtp" || service.program === "lmtp") {
    found.push(...checkSasl(scoped, service.program));
  }
  return found;
}

/** `chroot` has no effect here; said once, not for each of twenty entries. */
export function checkChroot(master: MasterCf): Diagnostic[] {
  const wanting = master.entries.filter((entry) => entry.chroot === true);
  if (wanting.length === 0) return [];
  const names = wanting.slice(0, 3).map(({ name, type }) => `${name}/${type}`).join(", ");
  const more = wanting.length > 3 ? ` and ${wanting.length - 3} more` : "";
  const text = `${master.path}: chroot = y has no effect: there is no chroot (${names}${more})`;
  const loss = { means: "harmless", why: "there is no chroot" } as const;
  return [{ level: "warning", text, file: master.path, line: wanting[0]!.line, loss }];
}
