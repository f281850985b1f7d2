import { connect, type ConnectTo } from "../../platform/socket/connection.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { Session } from "../../delivery/smtp/client_session.ts";
import { type Peer, relayName } from "../../delivery/smtp/peer.ts";
import { NO_DEMAND } from "../../delivery/smtp/session_key.ts";

/** Connects; a text says why not. */
export async function openFingerSession(peer: Peer, timeout: number): Promise<Session | string> {
  const to: ConnectTo = peer.port === 0 ? { path: peer.address } : { host: peer.address, port: peer.port };
  let session: Session | undefined;
  try {
    await connect(to, { timeout: timeout || DAY }, (connection) => {
      const opened = new Session(connection, { ...NO_DEMAND, peer }, {
        now: Date.now(),
        perRequestDeadline: true,
        quitPatience: 0,
      });
      session = opened;
      return opened.handler;
    });
  } catch (error) {
    return `connect to ${relayName(peer)}: ${systemErrorText(error)}`;
  }
  return session!;
}

const DAY = 86_400_000;
