import { expect } from "bun:test";
import tls from "node:tls";
import type { AddressAnswer } from "../../dns/answer.ts";
import { authorityUnder, selfMadeAuthority, type TestAuthority } from "../../../test/kit/memory/authority.ts";
import type { SelfSigned } from "../../../test/kit/memory/self_signed.ts";
import { withPeers } from "../../../test/kit/peers.ts";
import { pemObjects } from "../x509/pem.ts";
import type { Authorities } from "../verification/authorities.ts";
import { type HttpsRequest, httpsRequest, type HttpsWorld } from "./https_request.ts";

const { afterEach, beforeAll, describe, test } = withPeers(import.meta.path, "openssl");

const HOST = "mta-sts.example.com";

function trusting(...pems: readonly string[]): Authorities {
  const pem = pems.join("\n");
  const known = pemObjects(pem).objects.map(({ der }) => Buffer.from(der));
  return { pem, has: (certificate) => known.some((each) => each.equals(certificate)) };
}

/** A web server that says the same to everybody, and remembers what it was asked. */
interface TestServer {
  readonly port: number;
  readonly heard: string[];
  readonly names: (string | false)[];
  close(): void;
}

function serve(own: SelfSigned, says: string | null, options: tls.TlsOptions = {}): Promise<TestServer> {
  const [heard, names]: [string[], (string | false)[]] = [[], []];
  const server = tls.createServer({ cert: own.certificate, key: own.key, ...options }, (socket) => {
    socket.on("error", () => {});
    names.push(socket.servername ?? false);
    socket.once("data", (bytes) => {
      heard.push(bytes.toString("latin1"));
      if (says !== null) socket.write(says);
    });
  });
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      resolve({ port, heard, names, close: () => void server.close() });
    })
  );
}

const OK = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

describe("an HTTPS request", () => {
  let authority: TestAuthority;
  let good: SelfSigned;
  let server: TestServer | undefined;
  beforeAll(() => {
    authority = selfMadeAuthority("Test authority");
    good = authority.issue({ name: HOST });
  });
  afterEach(() => server?.close());

  const world = (changes: Partial<HttpsWorld> = {}, addresses = ["127.0.0.1"]): HttpsWorld => {
    const list = trusting(authority.certificate);
    return {
      resolver: {
        addresses: (): Promise<AddressAnswer> =>
          Promise.resolve({
            is: "records",
            authentic: false,
            addresses: addresses.map((address) => ({ address, family: 4 as const, ttl: 1 })),
          } as AddressAnswer),
      },
      families: [4],
      authorities: () => list,
      mayReach: () => true,
      now: () => Date.now(),
      ...changes,
    };
  };

  async function ask(
    own: SelfSigned,
    says: string | null = OK,
    changes: Partial<HttpsRequest> = {},
    options: tls.TlsOptions = {},
  ): Promise<string> {
    server = await serve(own, says, options);
    const request = {
      host: HOST,
      port: server.port,
      path: "/x?y",
      verify: true,
      bodyLimit: 100,
      timeout: 20_000,
    };
    const answer = await httpsRequest({ ...request, ...changes }, world());
    return "failed" in answer ? `${answer.failed}: ${answer.why}` : `${answer.status} ${answer.body}`;
  }

  const place = () => `${HOST}[127.0.0.1]:${server!.port}`;

  test("goes out over verified TLS, with the host's name in handshake and header", async () => {
    expect(await ask(good)).toBe("200 hello");
    expect(server!.names).toEqual([HOST]);
    expect(server!.heard[0]!.split("\r\n").map((line) => line.replace(/mta\/.*/, "mta"))).toEqual([
      "GET /x?y HTTP/1.1",
      `Host: ${HOST}:${server!.port}`,
      "User-Agent: mta",
      "Accept: */*",
      "Connection: close",
      "",
      "",
    ]);
  });

  test("posts bytes", async () => {
    const bytes = Buffer.from("body");
    expect(await ask(good, OK, { body: { type: "text/x", bytes } })).toBe("200 hello");
    expect(server!.heard[0]).toStartWith("POST /x?y HTTP/1.1\r\n");
    expect(server!.heard[0]).toEndWith("Content-Type: text/x\r\nContent-Length: 4\r\n\r\nbody");
  });

  test("a certificate that is not right ends it before anything is said", async () => {
    const stranger = selfMadeAuthority("Stranger");
    const bad: readonly (readonly [SelfSigned, string])[] = [
      [stranger.issue({ name: HOST }), "untrusted issuer /CN=Stranger"],
      [authority.issue({ name: HOST, expired: true }), "certificate has expired"],
      [authority.issue({ name: "mta-sts.example.net" }), "hostname mismatch"],
      [authority.issue({ name: HOST, names: "DNS:other.example" }), "hostname mismatch"],
      [authority.issue({ name: HOST, names: "" }), "does not name the host among its alternatives"],
      [
        authority.issue({ name: HOST, purpose: "clientAuth" }),
        "not designated for use as a server certificate",
      ],
    ];
    for (const [own, why] of bad) {
      const answer = await ask(own);
      expect(answer).toStartWith("certificate: ");
      expect(answer).toContain(why);
      expect(server!.heard).toEqual([]);
      server!.close();
      expect(await ask(own, OK, { verify: false })).toBe("200 hello");
      server!.close();
    }
  });

  test("a chain over another authority and a wildcard are right", async () => {
    const middle = authorityUnder(authority, "Between");
    const own = middle.issue({ name: "x", names: "DNS:*.example.com" });
    expect(await ask({ key: own.key, certificate: own.certificate + middle.certificate })).toBe("200 hello");
  });

  test("TLS 1.1 is not spoken", async () => {
    expect(await ask(good, OK, {}, { minVersion: "TLSv1", maxVersion: "TLSv1.1" })).toStartWith(
      "connection: ",
    );
  });

  test("redirects are answers, and not followed", async () => {
    expect(await ask(good, "HTTP/1.1 302 Found\r\nLocation: https://x/\r\nContent-Length: 0\r\n\r\n")).toBe(
      "302 ",
    );
    expect(server!.heard.length).toBe(1);
  });

  test("what is no answer, too large, or cut off is told", async () => {
    expect(await ask(good, "220 mail ESMTP\r\n\r\n\r\n")).toBe(`answer: ${place()}: it is not HTTP/1.1`);
    server!.close();
    expect(await ask(good, `HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n`)).toBe(
      `answer: ${place()}: it is larger than 100 bytes`,
    );
  });

  test("a server that is silent, or never ends, costs the deadline and no more", async () => {
    expect(await ask(good, null, { timeout: 1000 })).toMatch(/^answer: .*timed out$/);
    server!.close();
    expect(await ask(good, "HTTP/1.1 200 OK\r\n\r\nnever ", { timeout: 1000 })).toMatch(
      /^answer: .*timed out$/,
    );
  });

  test("an address that may not be reached is not; the next one is tried when one is dead", async () => {
    server = await serve(good, OK);
    const request = { host: HOST, port: server.port, path: "/", verify: true, bodyLimit: 9, timeout: 20_000 };
    expect(await httpsRequest(request, world({ mayReach: (address) => address !== "127.0.0.1" }))).toEqual({
      failed: "connection",
      why: `${HOST}[127.0.0.1]: tls_https_denied_networks has this address`,
    });
    expect(await httpsRequest(request, world({}, ["127.0.0.9", "127.0.0.1"]))).toMatchObject({ status: 200 });
    const nowhere = await httpsRequest({ ...request, port: 1 }, world());
    expect(nowhere).toEqual({ failed: "connection", why: `${HOST}[127.0.0.1]:1: Connection refused` });
  });

  test("a name that is not there, and authorities that cannot be read, are told", async () => {
    server = await serve(good, OK);
    const request = { host: HOST, port: server.port, path: "/", verify: true, bodyLimit: 9, timeout: 20_000 };
    const addresses = () =>
      Promise.resolve({ is: "nxdomain", authentic: false, type: "A" } as const satisfies AddressAnswer);
    expect(await httpsRequest(request, world({ resolver: { addresses } }))).toEqual({
      failed: "name",
      why: `${HOST}: Host not found`,
    });
    expect(await httpsRequest(request, world({ authorities: () => ({ problem: "no file" }) }))).toMatchObject(
      {
        failed: "connection",
      },
    );
  });
});
