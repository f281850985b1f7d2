// What handshakes cost without a mail server, for `tls.ts`: `bun tls_bare.ts PORT CERTIFICATE KEY` serves TLS from the first byte with the
// runtime's own sockets, as smtpd has them, and says one line.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";

const [port, cert, key] = process.argv.slice(2);
const secureContext = createSecureContext({ cert: readFileSync(cert!), key: readFileSync(key!) });
createServer({ noDelay: true, allowHalfOpen: true }, (plain) => {
  const secure = new TLSSocket(plain, { isServer: true, secureContext, requestCert: false });
  secure.on("error", () => {}).on("data", () => {}).on("end", () => secure.end());
  secure.once("secure", () => secure.write("220 bare\r\n"));
}).listen(Number(port), "127.0.0.1");
