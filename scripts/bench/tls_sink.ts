// A next hop for `tls.ts`, in a process of its own: `bun tls_sink.ts PORT CERTIFICATE KEY` takes every message, over STARTTLS, and
// prints how many messages and connections it has had.
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";

const [port, cert, key] = process.argv.slice(2);
const secureContext = createSecureContext({ cert: readFileSync(cert!), key: readFileSync(key!) });
let [messages, connections] = [0, 0];

const REPLIES: Readonly<Record<string, string>> = {
  MAIL: "250 2.1.0 Ok\r\n",
  RCPT: "250 2.1.5 Ok\r\n",
  RSET: "250 2.0.0 Ok\r\n",
  DATA: "354 go on\r\n",
};

/** Serves one side of a session: in the clear until STARTTLS, or what follows. */
function serve(socket: Socket, isSecure: boolean): void {
  let [text, isContent] = ["", false];
  const take = (line: string): string => {
    const verb = line.slice(0, 4).toUpperCase();
    isContent = verb === "DATA";
    if (verb === "EHLO") {
      return `250-sink\r\n250-PIPELINING\r\n250${isSecure ? " 8BITMIME" : " STARTTLS"}\r\n`;
    }
    return REPLIES[verb] ?? "221 2.0.0 Bye\r\n";
  };
  const hear = (chunk: Buffer) => {
    text += chunk.toString("latin1");
    let out = "";
    for (;;) {
      const end = text.indexOf(isContent ? "\r\n.\r\n" : "\r\n");
      if (end < 0) break;
      const line = text.slice(0, end);
      text = text.slice(end + (isContent ? 5 : 2));
      if (isContent) {
        isContent = false;
        messages++;
        out += "250 2.0.0 Ok: taken\r\n";
      } else if (line.toUpperCase() === "STARTTLS") {
        socket.off("data", hear);
        socket.write("220 2.0.0 Ready\r\n");
        return serve(new TLSSocket(socket, { isServer: true, secureContext }), true);
      } else out += take(line);
    }
    if (out !== "") socket.write(out);
    if (out.endsWith("Bye\r\n")) socket.end();
  };
  socket.on("data", hear).on("error", () => {});
}

createServer({ noDelay: true }, (socket) => {
  connections++;
  serve(socket, false);
  socket.write("220 sink ESMTP\r\n");
}).listen(Number(port), "127.0.0.1");

setInterval(() => console.log(`${messages} ${connections}`), 20);
