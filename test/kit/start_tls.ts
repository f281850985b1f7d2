// STARTTLS as a client speaks it, and what certificate the server shows.
import net from "node:net";
import tls from "node:tls";

/** What a client saw of a server's certificate. */
export interface Shown {
  /** Common name of the certificate. */
  readonly name: string;
  /** `TLSv1.3`. */
  readonly protocol: string;
  /** Why the certificate is not trusted, in the runtime's words; undefined when it is. */
  readonly trouble: string | undefined;
}

/** How the handshake is made. */
export interface ClientHandshake {
  /** The server's certificate must be signed by one of these, PEM. */
  readonly ca?: string;
  /** The name that is asked for (SNI). */
  readonly serverName?: string;
  /** What the client shows when it is asked, PEM. */
  readonly own?: { readonly key: string; readonly certificate: string };
}

/** Speaks STARTTLS to a port of 127.0.0.1; answers the certificate, or the reply that refuses. */
export async function startTls(port: number, options: ClientHandshake = {}): Promise<Shown | string> {
  const socket = net.connect(port, "127.0.0.1");
  try {
    await reply(socket);
    await say(socket, "EHLO client.example");
    const answer = await say(socket, "STARTTLS");
    if (!answer.startsWith("220 ")) return answer.trim();
    return await handshake(socket, options);
  } finally {
    socket.destroy();
  }
}

function say(socket: net.Socket, line: string): Promise<string> {
  const answer = reply(socket);
  socket.write(`${line}\r\n`);
  return answer;
}

function reply(socket: net.Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const take = (chunk: Buffer) => {
      text += String(chunk);
      if (!/^\d{3}(?: .*)?\r\n$/m.test(text)) return;
      socket.off("data", take);
      resolve(text);
    };
    socket.on("data", take);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`closed after: ${text}`)));
  });
}

function handshake(socket: net.Socket, { ca = "", serverName, own }: ClientHandshake): Promise<Shown> {
  return new Promise((resolve, reject) => {
    const secure = tls.connect({
      socket,
      ca: ca === "" ? [] : [ca],
      rejectUnauthorized: false,
      ...(serverName !== undefined && { servername: serverName }),
      ...(own !== undefined && { key: own.key, cert: own.certificate }),
      checkServerIdentity: () => undefined,
    }, () => {
      const { subject } = secure.getPeerCertificate();
      const trouble = secure.authorized ? undefined : String(secure.authorizationError);
      const shown = { name: String(subject.CN), protocol: secure.getProtocol() ?? "", trouble };
      // With TLS 1.3 the server has not seen the end of the handshake yet, nor a certificate of ours.
      secure.once("data", () => resolve(shown));
      secure.write("QUIT\r\n");
    });
    secure.once("error", reject);
    secure.once("close", () => reject(new Error("closed in the handshake")));
  });
}
