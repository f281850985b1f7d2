import { NO_DEMAND } from "../../delivery/smtp/session_key.ts";
import { isLost, Session } from "../../delivery/smtp/client_session.ts";
import { connect } from "../../platform/socket/connection.ts";
import { createTlsContext } from "../../platform/socket/tls_context.ts";
import { errorCode, systemErrorText } from "../../platform/system_error.ts";
import type { Port, PortState } from "./ports_check.ts";

/** How long a service may take to greet, in milliseconds. */
const PATIENCE = 12_000;

/** Connects to a port of the running service, hears what it says first, and takes leave. */
export async function readGreeting(port: Port, name: string, signal: AbortSignal): Promise<PortState> {
  const host = port.address === "0.0.0.0" ? "127.0.0.1" : port.address === "::" ? "::1" : port.address;
  let session: Session | undefined;
  try {
    await connect({ host, port: port.port }, { timeout: PATIENCE, signal }, (connection) => {
      const peer = { host: name, address: host, port: port.port };
      const options = { now: Date.now(), perRequestDeadline: true, quitPatience: 0 };
      session = new Session(connection, { ...NO_DEMAND, peer }, options);
      return session.handler;
    });
    return await heard(session!, port, name);
  } catch (error) {
    return { is: "fails", why: systemErrorText(error), refused: errorCode(error) === "ECONNREFUSED" };
  } finally {
    session?.quit();
  }
}

async function heard(session: Session, { greets }: Port, name: string): Promise<PortState> {
  if (greets === "never") return { is: "answers", greeting: "" };
  if (greets === "under TLS") {
    const context = createTlsContext({ ca: "" });
    await session.startTls({ context, serverName: name, verify: false }, PATIENCE);
  }
  const reply = await session.reply(PATIENCE);
  if (!isLost(reply)) return { is: "answers", greeting: reply.lines[0] ?? "" };
  const why = reply === "timeout"
    ? "it takes connections and says nothing"
    : "it closes connections without a word";
  return { is: "fails", why, refused: false };
}
