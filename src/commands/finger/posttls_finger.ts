import { ConfigurationFault } from "../../config/syntax/diagnostic.ts";
import { writeErr, writeOut } from "../../platform/process/this_process.ts";
import type { CommandContext } from "../command.ts";
import { directoryOf } from "../service_control.ts";
import { FingerFault, parseFingerOptions, UsageFault } from "./_finger_options.ts";
import { keptLines, linesOn } from "./_finger_output.ts";
import { fingerReport } from "./_finger_report.ts";
import { fingerServer } from "./_finger_run.ts";
import { setUpFinger } from "./_finger_setup.ts";

const USAGE = `usage: posttls-finger [-acCfSvw] [-t conn_tmout] [-T cmd_tmout] [-L logopts] \\
\t[-h host_lookup] [-l level] [-d mdalg] [-g grade] [-p protocols] \\
\t[-A tafile] [-F CAfile.pem] [-P CApath/] [-s servername] \\
\t[ [-H chainfiles] | [-k certfile [-K keyfile]] ] \\
\t[-m count] [-r delay] [-o name=value] destination [match ...]
`;

const HELP = `usage: mta posttls-finger [options] DESTINATION [match ...]
Shows the TLS of a mail server. DESTINATION: domain, domain:port, [host]:port;
with -S also inet:host:port, unix:path. Exit status 1 for a mistake, else 0.
  -l LEVEL     what is asked for: none may encrypt fingerprint verify secure
               dane-only dane (default; without TLSA records: secure)
  match ...    names of the certificate, or fingerprints at that level
  -F FILE  -P FOLDER  -A FILE   authorities; trust anchors in place of them
  -M POLICY    where the MX record is not signed: may encrypt dane (default)
  -f           look for TLSA records of hosts without DNSSEC too
  -p  -g       protocols (>=TLSv1), cipher grade (medium)
  -d           digest of fingerprints ($smtp_tls_fingerprint_digest)
  -s NAME      the name to ask for (SNI)
  -k FILE -K FILE  -H FILES     our certificate and key; chain files
  -c           without the conversation      -C  the certificates, PEM
  -L TOPICS    none routine certmatch peercert untrusted cache verbose debug
  -r SECONDS -m COUNT           connect again: are sessions resumed?
  -w  -S       TLS from the first byte; LMTP
  -a FAMILY  -h LOOKUPS         ipv4 ipv6 any; dns native
  -t  -T       seconds to connect, for a reply (30)
  -o NAME=VALUE  -v  -X         a parameter; more words; no effect
  --json       one object: facts, certificates, lines
`;

/** `mta posttls-finger`: the TLS properties of a server (posttls-finger(1)). */
export async function posttlsFinger(context: CommandContext): Promise<number> {
  const { args } = context;
  if (args[0] === "--help") return (writeOut(HELP), 0);
  const kept = args.includes("--json") ? keptLines() : undefined;
  const output = kept ?? linesOn("posttls-finger");
  try {
    const options = parseFingerOptions(args);
    const setup = setUpFinger(
      context.verbose > 0 ? { ...options, verbose: true } : options,
      directoryOf(context),
      output,
    );
    const fingered = await fingerServer(setup, output);
    if (kept !== undefined) {
      const report = fingerReport(options.destination, setup.tls.fingerprintDigest, fingered, kept.lines);
      writeOut(`${JSON.stringify(report)}\n`);
    }
    return 0;
  } catch (error) {
    if (error instanceof UsageFault) {
      writeErr(`${error.message === "" ? "" : `posttls-finger: ${error.message}\n`}${USAGE}`);
      return 1;
    }
    const faults = error instanceof FingerFault
      ? [error.message]
      : error instanceof ConfigurationFault
      ? error.diagnostics.map(({ text }) => text)
      : undefined;
    if (faults === undefined) throw error;
    for (const text of faults) writeOut(`posttls-finger: fatal: ${text}\n`);
    return 1;
  }
}
