import { splitHostPort } from "../config/listen_address.ts";
import { systemErrorText } from "../platform/system_error.ts";
import { type HttpServer, serveHttp } from "../platform/socket/http_server.ts";
import { createApp, type HttpFacts } from "./app.ts";

/** Serves the pages on `http_listen`; rejects with an Error that names the parameter and what is wrong. */
export async function openHttpServer(listen: string, facts: HttpFacts): Promise<HttpServer> {
  const at = splitHostPort(listen);
  const port = typeof at === "string" ? Number.NaN : Number(at.port);
  if (typeof at === "string" || !(port >= 0 && port < 65_536)) {
    throw new Error(
      `bad http_listen value "${listen}"; specify address:port, for example 127.0.0.1:8025, or leave it empty`,
    );
  }
  const app = createApp(facts);
  try {
    const host = at.host === "" ? "127.0.0.1" : at.host;
    return await serveHttp({ host, port }, (request) => app.fetch(request));
  } catch (error) {
    throw new Error(`http_listen ${listen}: ${systemErrorText(error)}`, { cause: error });
  }
}
