import type { EventFields, EventName } from "./events.ts";
import type { Metrics } from "./metrics.ts";

type Rules = { readonly [Name in EventName]?: (fields: EventFields<Name>) => void };

/** The numbers that follow from events; the answer is a log's `observe`. */
export function countEvents(
  metrics: Metrics,
): <Name extends EventName>(name: Name, fields: EventFields<Name>) => void {
  const rules = rulesFor(metrics);
  return (name, fields) => rules[name]?.(fields);
}

function rulesFor(metrics: Metrics): Rules {
  const count = (name: string, help: string) => {
    const counter = metrics.counter(name, help);
    return () => counter.add(1);
  };
  const broken = metrics.counter(
    "mta_smtpd_broken_sessions_total",
    "Sessions that ended before QUIT",
    "reason",
  );
  const notices = metrics.counter("mta_bounce_notices_total", "Notices sent by kind", "kind");
  const limits = metrics.counter("mta_smtpd_limit_exceeded_total", "Clients over a limit", "kind");
  const checks = metrics.counter("mta_cleanup_checks_total", "Header and body checks that acted", "verb");
  const authentication = metrics.counter(
    "mta_smtpd_authentication_results_total",
    "Results of checks of messages that came from strangers",
    "method",
    "result",
  );
  const signing = metrics.counter(
    "mta_cleanup_dkim_messages_total",
    "Messages that were to be signed by DKIM, by what came of it",
    "result",
  );
  const tls = metrics.counter(
    "mta_smtp_tls_connections_total",
    "Connections to other servers under TLS, new ones, by how far the server is trusted",
    "trust",
  );
  const logins = metrics.counter("mta_smtpd_login_failures_total", "Logins that failed", "how");
  return {
    saslFailed: ({ temporary }) => logins.add(1, temporary ? "temporary" : "refused"),
    serverTls: ({ usage, trust }) => usage === "established" ? tls.add(1, trust) : undefined,
    connect: count("mta_smtpd_sessions_total", "SMTP sessions begun"),
    client: count("mta_smtpd_messages_total", "Mail transactions with an accepted recipient"),
    sessionBroken: ({ reason }) => broken.add(1, reason),
    limitExceeded: ({ kind }) => limits.add(1, kind),
    contentCheck: ({ verb }) => checks.add(1, verb),
    authenticated: ({ spf, dkimBest, arc, dmarc }) => {
      authentication.add(1, "spf", spf);
      authentication.add(1, "dkim", dkimBest);
      authentication.add(1, "arc", arc);
      authentication.add(1, "dmarc", dmarc);
    },
    arcSealed: count("mta_cleanup_arc_sealed_total", "Messages that were sealed by ARC"),
    dkimSigned: ({ last }) => last ? signing.add(1, "signed") : undefined,
    dkimUnsigned: ({ deferred }) => signing.add(1, deferred ? "deferred" : "unsigned"),
    notification: ({ kind }) => notices.add(1, kind),
    connectFailed: count("mta_smtp_connect_failures_total", "Connections to other servers that failed"),
    expired: count("mta_qmgr_expired_total", "Messages returned because they were too old"),
    removed: count("mta_queue_removed_total", "Messages that left the queue, all recipients done"),
    bug: count("mta_bugs_total", "Errors in the program itself"),
  };
}
