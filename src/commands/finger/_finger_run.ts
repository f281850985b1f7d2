import { Session } from "../../delivery/smtp/client_session.ts";
import { type Peer, relayName } from "../../delivery/smtp/peer.ts";
import type { ClientTlsPolicy } from "../../tls/client_policy.ts";
import { openFingerSession } from "./_finger_connection.ts";
import { parseFingerDestination } from "./_finger_destination.ts";
import { candidates } from "./_finger_hosts.ts";
import type { FingerOutput } from "./_finger_output.ts";
import { type FingerPass, type PassResult, talkOnce } from "./_finger_pass.ts";
import type { Fingered } from "./_finger_report.ts";
import type { FingerSetup } from "./_finger_setup.ts";

/** Connects to the first host that takes it and shows its TLS, again and again where that is asked for. */
export async function fingerServer(setup: FingerSetup, output: FingerOutput): Promise<Fingered | undefined> {
  const { options, client: { knownPorts, myhostname }, service } = setup;
  const destination = parseFingerDestination(options.destination, {
    lmtp: options.lmtp,
    knownPorts,
    service,
  });
  const domain = destination.is === "socket" ? myhostname : destination.host;
  for await (const each of candidates(destination, setup, output)) {
    const via = destination.is === "socket" ? "" : ` via ${each.host}`;
    const session = "problem" in each
      ? each.problem
      : await openFingerSession(each.peer, options.connectTimeout);
    if (!(session instanceof Session) || "problem" in each) {
      output.say(`Failed to establish session to ${options.destination}${via}: ${String(session)}`);
      continue;
    }
    const policy = setup.policy(each.draft);
    if (options.chat) output.say(`Connected to ${relayName(each.peer)}`);
    const first: FingerPass = { setup, output, session, policy, domain, isFirst: true };
    const result = await talkOnce(first);
    if (result.isWhole) await again(first, result, each.peer, policy);
    return { peer: each.peer, policy, records: each.records, judged: result.judged };
  }
  return undefined;
}

/** Reconnects as -r says, until a server is found that knows the session. */
async function again(
  first: FingerPass,
  before: PassResult,
  peer: Peer,
  policy: ClientTlsPolicy,
): Promise<void> {
  const { setup, output: { say } } = first;
  const { reconnectAfter, reconnects, connectTimeout, destination } = setup.options;
  if (reconnectAfter === undefined) return;
  let result = before;
  for (let left = reconnects;; left--) {
    if (!keepsSessions(first, result)) return say("Server declined session caching. Done reconnecting.");
    if (result.offeredSession) return say("Found a previously used server.  Done reconnecting.");
    if (left <= 0) return say("Maximum reconnect count reached.");
    say(`Reconnecting after ${reconnectAfter} seconds`);
    await new Promise((resolve) => setTimeout(resolve, reconnectAfter * 1000));
    const session = await openFingerSession(peer, connectTimeout);
    if (!(session instanceof Session)) {
      return say(`Failed to establish session to ${destination} via ${peer.host}: ${session}`);
    }
    result = await talkOnce({ ...first, session, policy, isFirst: false });
    if (!result.isWhole) return;
  }
}

/** Whether any session is known that could be offered. */
function keepsSessions({ setup: { engine }, policy }: FingerPass, { server }: PassResult): boolean {
  const prepared = server && engine?.prepare(policy, server);
  return prepared !== undefined && !("problem" in prepared) && prepared.offersSession;
}
