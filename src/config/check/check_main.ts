import { malformedLevel, parseLevel } from "../compatibility_level.ts";
import type { Diagnostic } from "../syntax/diagnostic.ts";
import { knownTcpPorts } from "../listen_address.ts";
import { hostnameProblem } from "../../address/hostname.ts";
import { splitList } from "../syntax/list.ts";
import { ownAddresses } from "../own_addresses.ts";
import type { Scope } from "../scope.ts";
import { checkUsers, type SystemUsers } from "./check_users.ts";

/** What the cross-checks look at. */
export interface MainCheck {
  readonly scope: Scope;
  readonly path: string;
  readonly users: SystemUsers;
}

/** Expanded text, or undefined when it cannot be told (reported elsewhere). */
export function textOf(scope: Scope, name: string): string | undefined {
  try {
    return scope.expanded(name);
  } catch {
    return undefined;
  }
}

/** A diagnostic on a parameter; `file DIR/main.cf: parameter ...` is Postfix's own beginning. */
function fault(check: MainCheck, name: string, text: string, expected: string): Diagnostic {
  return check.scope.complaint(name, textOf(check.scope, name) ?? "", text, expected);
}

function checkHostname(check: MainCheck, name: "myhostname" | "mydomain"): Diagnostic[] {
  const value = textOf(check.scope, name);
  const problem = value === undefined ? undefined : hostnameProblem(value);
  if (problem === undefined || value === "") return [];
  const text = `file ${check.path}: parameter ${name}: bad parameter value: ${value}`;
  return [{
    ...fault(check, name, text, "a name such as mail.example.com"),
    hint: `valid_hostname: ${problem}`,
  }];
}

function checkOrigin(check: MainCheck): Diagnostic[] {
  const { scope } = check;
  const [host, relay] = [textOf(scope, "myhostname"), textOf(scope, "relayhost")];
  const origin = textOf(scope, "myorigin");
  const found: Diagnostic[] = [];
  if (host !== undefined && relay !== undefined && host.toLowerCase() === relay.toLowerCase()) {
    const text = `myhostname and relayhost parameter settings must not be identical: ${host}`;
    found.push(fault(check, "relayhost", text, "the name of another machine, or nothing"));
  }
  if (origin !== undefined && /[, \t\r\n]/.test(origin)) {
    const text = `myorigin parameter setting must not contain multiple values: ${origin}`;
    found.push(fault(check, "myorigin", text, "one domain name"));
  }
  return found;
}

function checkVerp(check: MainCheck): Diagnostic[] {
  const delimiters = textOf(check.scope, "default_verp_delimiters");
  const filter = textOf(check.scope, "verp_delimiter_filter");
  if (delimiters === undefined || filter === undefined || delimiters.length !== 2) return [];
  const which = !filter.includes(delimiters[0]!)
    ? "first"
    : !filter.includes(delimiters[1]!)
    ? "second"
    : undefined;
  if (which === undefined) return [];
  const text = `file ${check.path}: parameters default_verp_delimiters and verp_delimiter_filter: ` +
    `bad ${which} VERP delimiter character`;
  return [fault(check, "default_verp_delimiters", text, `two characters out of ${filter}`)];
}

function checkLogFile(check: MainCheck): Diagnostic[] {
  const path = textOf(check.scope, "maillog_file");
  const prefixes = textOf(check.scope, "maillog_file_prefixes");
  if (!path || prefixes === undefined) return [];
  if (splitList(prefixes).some((prefix) => path.startsWith(prefix))) return [];
  const text = `maillog_file value '${path}' does not match any prefix in maillog_file_prefixes`;
  return [fault(check, "maillog_file", text, `a path below one of ${prefixes}`)];
}

function checkAddresses(check: MainCheck): Diagnostic[] {
  const interfaces = textOf(check.scope, "inet_interfaces");
  const protocols = textOf(check.scope, "inet_protocols");
  if (interfaces === undefined || protocols === undefined) return [];
  const settings = { inet_interfaces: interfaces, inet_protocols: protocols };
  const own = ownAddresses(settings, check.scope.world);
  if (own.is === "bad") return [fault(check, own.parameter, own.text, own.expected)];
  if (own.addresses.length > 0) return [];
  const text = protocols.trim() === ""
    ? `all network protocols are disabled (inet_protocols = ${protocols})`
    : "could not find any active network interfaces";
  return [{ ...fault(check, "inet_protocols", text, '"all", "ipv4" or "ipv6"'), level: "warning" }];
}

function checkLevel(check: MainCheck): Diagnostic[] {
  const level = textOf(check.scope, "compatibility_level");
  if (level === undefined || parseLevel(level) !== undefined) return [];
  return [fault(check, "compatibility_level", malformedLevel(level), "a level such as 3.6")];
}

function checkPorts(check: MainCheck): Diagnostic[] {
  const value = textOf(check.scope, "known_tcp_ports");
  if (value === undefined) return [];
  return knownTcpPorts(value).problems.map((text) => ({
    ...fault(check, "known_tcp_ports", text, "name=port items between commas"),
    level: "warning",
  }));
}

/** Checks of main.cf that look at more than one value, in Postfix's words. */
export function checkMain(check: MainCheck): Diagnostic[] {
  return [
    ...checkLevel(check),
    ...checkHostname(check, "myhostname"),
    ...checkHostname(check, "mydomain"),
    ...checkOrigin(check),
    ...checkVerp(check),
    ...checkLogFile(check),
    ...checkAddresses(check),
    ...checkPorts(check),
    ...checkUsers(check.scope, check.path, check.users),
  ];
}
