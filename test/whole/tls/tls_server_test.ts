// The running service over TLS: behind a proxy, with sessions that are resumed, and with the clients that people have.
import { expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import tls from "node:tls";
import { authorityUnder, selfMadeAuthority } from "../../kit/memory/authority.ts";
import { selfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "openssl",
  "swaks",
  "curl",
  "python3",
  "dist/mta",
);

let server: Server;
const port: Record<
  "wrapped" | "proxied" | "proxiedClear" | "asking" | "taking" | "clear" | "quiet" | "untold",
  number
> = {
  quiet: 0,
  untold: 0,
  asking: 0,
  taking: 0,
  clear: 0,
  wrapped: 0,
  proxied: 0,
  proxiedClear: 0,
};

beforeAll(async () => {
  for (const name of Object.keys(port) as (keyof typeof port)[]) port[name] = await freePort();
  const own = selfSigned("mail.example.com", "rsa");
  const authority = selfMadeAuthority("Test CA");
  const between = authorityUnder(authority, "Between");
  const friend = between.issue({ name: "friend.example.org", names: "", purpose: "clientAuth" });
  const peer = between.issue({ name: "peer.example.org", purpose: "serverAuth" });
  const proxied = "-o smtpd_upstream_proxy_protocol=haproxy";
  server = await startServer({
    mainCf: [
      "smtpd_tls_security_level = may",
      "smtpd_tls_chain_files = $config_directory/chain.pem",
      "smtpd_tls_loglevel = summary,cache",
      "smtpd_peername_lookup = no",
      "mydestination = example.com",
      "local_recipient_maps =",
      "local_transport = discard",
    ],
    masterCf: [
      `127.0.0.1:${port.wrapped} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o syslog_name=wrapped`,
      `127.0.0.1:${port.proxied} inet n - n - - smtpd ${proxied} -o smtpd_tls_wrappermode=yes -o syslog_name=proxied`,
      `127.0.0.1:${port.asking} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o syslog_name=asking -o smtpd_tls_ask_ccert=yes ` +
      "-o smtpd_tls_CAfile=$config_directory/ca.pem",
      `127.0.0.1:${port.taking} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o syslog_name=taking -o smtpd_tls_ask_ccert=yes ` +
      "-o smtpd_tls_CAfile=$config_directory/ca.pem -o tls_trust_server_ccerts=yes",
      `127.0.0.1:${port.clear} inet n - n - - smtpd -o smtpd_tls_security_level=none`,
      `127.0.0.1:${port.quiet} inet n - n - - smtpd -o smtpd_tls_loglevel_maps=inline:{127.0.0=none} -o syslog_name=quiet`,
      `127.0.0.1:${port.untold} inet n - n - - smtpd -o smtpd_tls_loglevel_maps=fail:down -o smtpd_tls_wrappermode=yes ` +
      "-o syslog_name=untold",
      `127.0.0.1:${port.proxiedClear} inet n - n - - smtpd ${proxied} -o syslog_name=proxiedclear`,
    ],
    files: {
      "chain.pem": own.key + own.certificate,
      "ca.pem": authority.certificate,
      "server.pem": peer.key + peer.certificate + between.certificate,
      "friend.pem": friend.key + friend.certificate + between.certificate,
    },
  });
}, 60_000);
afterAll(() => server?.stop());

const lines = (name: string) =>
  server.log().split("\n").filter((line) => line.includes(` ${name}/smtpd[`)).map((line) =>
    line.replace(/^.*?\]: /, "")
  );

/** The next reply of a socket. */
function reply(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const more = (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (!/^\d{3} .*\r\n$/m.test(text)) return;
      socket.off("data", more);
      resolve(text);
    };
    socket.on("data", more);
    socket.on("error", () => resolve("error")).on("close", () => resolve(text === "" ? "closed" : text));
  });
}

const say = (socket: net.Socket, line: string) => {
  const answered = reply(socket);
  socket.write(`${line}\r\n`);
  return answered;
};

describe("behind a proxy", () => {
  const V1 = Buffer.from("PROXY TCP4 192.0.2.77 192.0.2.1 12345 465\r\n");
  const V2 = Buffer.concat([
    Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1"),
    Buffer.from([0x21, 0x11, 0, 12, 192, 0, 2, 77, 192, 0, 2, 1, 0x30, 0x39, 0x01, 0xd1]),
  ]);

  /**
   * A client in TLS behind a proxy's header. What the client sends goes through a pipe that holds it until the header is there, and
   * cuts everything after so many bytes.
   */
  async function throughProxy(header: Buffer, cut: number): Promise<string> {
    const upstream = net.connect(port.proxied, "127.0.0.1");
    const relay = net.createServer((client) => {
      let first = true;
      client.on("data", (chunk) => {
        if (!first) return void upstream.write(chunk);
        first = false;
        const whole = Buffer.concat([header, Buffer.from(chunk)]);
        upstream.setNoDelay(true).write(whole.subarray(0, cut));
        setImmediate(() => upstream.write(whole.subarray(cut)));
      });
      upstream.on("data", (chunk) => client.write(chunk));
      upstream.on("close", () => client.destroy());
      client.on("close", () => upstream.destroy()).on("error", () => {});
    });
    const at = await freePort();
    await new Promise<void>((resolve) => relay.listen(at, "127.0.0.1", resolve));
    const client = tls.connect({ port: at, host: "127.0.0.1", rejectUnauthorized: false });
    try {
      return `${await reply(client)}${await say(client, "QUIT")}`;
    } finally {
      client.destroy();
      relay.close();
    }
  }

  test.each([["1", V1], ["2", V2]])(
    "TLS begins from the first byte behind a header of version %s, however packets are cut",
    async (_, header) => {
      const before = lines("proxied").length;
      const cuts = [
        1,
        5,
        header.length - 1,
        header.length,
        header.length + 1,
        header.length + 5,
        header.length + 60,
      ];
      for (const cut of cuts) {
        expect(await throughProxy(header, cut)).toMatch(/^220 .*\r\n221 2\.0\.0 Bye\r\n$/);
      }
      const ends = () => lines("proxied").slice(before).filter((line) => line.startsWith("disconnect "));
      await until("all in the log", () => ends().length >= cuts.length);
      expect(new Set(ends())).toEqual(new Set(["disconnect from unknown[192.0.2.77] quit=1 commands=1"]));
    },
    60_000,
  );

  test("STARTTLS works behind a header in the clear", async () => {
    const plain = net.connect(port.proxiedClear, "127.0.0.1");
    const greeting = reply(plain);
    plain.write(V1);
    expect(await greeting).toStartWith("220 ");
    expect(await say(plain, "STARTTLS")).toBe("220 2.0.0 Ready to start TLS\r\n");
    const secured = tls.connect({ socket: plain, rejectUnauthorized: false });
    expect(await say(secured, "EHLO x")).toContain("250-mail.example.com\r\n");
    secured.destroy();
    await until(
      "the connection in the log",
      () =>
        lines("proxiedclear").some((line) =>
          line.startsWith("Anonymous TLS connection established from unknown[192.0.2.77]: ")
        ),
    );
  });
});

describe("what is logged of a client", () => {
  const ended = (name: string) =>
    until("the end in the log", () => lines(name).some((line) => line.startsWith("disconnect ")));
  const told = (name: string) =>
    lines(name).filter((line) => /TLS connection established from|^warning: /.test(line));

  test("is what smtpd_tls_loglevel_maps says of it", async () => {
    const plain = net.connect(port.quiet, "127.0.0.1");
    expect(await reply(plain)).toStartWith("220 ");
    expect(await say(plain, "STARTTLS")).toBe("220 2.0.0 Ready to start TLS\r\n");
    const secured = tls.connect({ socket: plain, rejectUnauthorized: false });
    expect(await say(secured, "QUIT")).toStartWith("221 ");
    await ended("quiet");
    expect(told("quiet")).toEqual([]);
  });

  test("is what smtpd_tls_loglevel says where the table cannot be asked", async () => {
    const secured = tls.connect({ port: port.untold, host: "127.0.0.1", rejectUnauthorized: false });
    expect(await reply(secured)).toStartWith("220 ");
    expect(await say(secured, "QUIT")).toStartWith("221 ");
    await ended("untold");
    expect(told("untold")).toEqual([
      expect.stringMatching(/^warning: smtpd_tls_loglevel_maps: fail:down lookup error for "unknown"/),
      expect.stringMatching(/^Anonymous TLS connection established from unknown\[127\.0\.0\.1\]: TLSv1/),
    ]);
  });
});

test("a client's certificate that is for servers alone counts where tls_trust_server_ccerts says so", async () => {
  const pem = readFileSync(join(server.configDirectory, "server.pem"));
  for (const [name, trust] of [["asking", "Untrusted"], ["taking", "Trusted"]] as const) {
    const secured = tls.connect({
      port: port[name],
      host: "127.0.0.1",
      rejectUnauthorized: false,
      key: pem,
      cert: pem,
    });
    expect(await reply(secured)).toStartWith("220 ");
    expect(await say(secured, "QUIT")).toStartWith("221 ");
    await until(
      "the connection in the log",
      () =>
        lines(name).some((line) =>
          line.startsWith(`${trust} TLS connection established from unknown[127.0.0.1]`)
        ),
    );
  }
});

describe("sessions", () => {
  /** A session of openssl(1), kept in a file and begun from it; answers what it says of it. */
  function connect(version: "TLSv1.2" | "TLSv1.3", kept: string, begin: boolean, at = port.wrapped): string {
    const friend = join(server.configDirectory, "friend.pem");
    const own = at === port.asking ? `-cert ${friend} -cert_chain ${friend} -key ${friend}` : "";
    const option = `-${version.toLowerCase().replace("v", "").replace(".", "_")}`;
    const command = `(sleep 1; printf 'QUIT\\r\\n'; sleep 1) | openssl s_client -connect 127.0.0.1:${at} ` +
      `${option} ${own} ${begin ? "-sess_in" : "-sess_out"} ${kept}`;
    return Bun.spawnSync(["sh", "-c", command]).stdout.toString();
  }

  test.each(["TLSv1.2", "TLSv1.3"] as const)("of %s are resumed, which the log tells of", async (version) => {
    const kept = join(server.directory, `session-${version}`);
    expect(connect(version, kept, false)).toContain(`New, ${version}`);
    expect(connect(version, kept, true)).toContain(`Reused, ${version}`);
    await until("the log", () => lines("wrapped").includes("unknown[127.0.0.1]: Reusing old session"));
    const told = () =>
      lines("wrapped").filter((line) =>
        line.includes(`TLS connection established from unknown[127.0.0.1]: ${version}`)
      );
    await until("both connections in the log", () => told().length >= 2);
    // Nothing is signed in a session that is resumed.
    expect(told().map((line) => line.includes("server-signature"))).toEqual([version === "TLSv1.3", false]);
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "of %s that are resumed have the client's certificate, with all that vouches for it",
    async (version) => {
      const kept = join(server.directory, `certified-${version}`);
      const told = () =>
        lines("asking").filter((line) => line.startsWith("Trusted TLS connection") && line.includes(version));
      expect(connect(version, kept, false, port.asking)).toContain(`New, ${version}`);
      expect(connect(version, kept, true, port.asking)).toContain(`Reused, ${version}`);
      await until("both connections in the log", () => told().length >= 2);
    },
  );
});

describe("the clients that people have", () => {
  const run = (...command: string[]) => {
    const done = Bun.spawnSync(command, { stdout: "pipe", stderr: "pipe" });
    return { status: done.exitCode, said: done.stdout.toString() + done.stderr.toString() };
  };
  const MAIL = ["-f", "ann@example.org", "-t", "bob@example.com", "-s", "127.0.0.1"];

  test("swaks, by STARTTLS and from the first byte", () => {
    for (const [mode, at] of [["--tls", server.port], ["--tlsc", port.wrapped]] as const) {
      const { status, said } = run("swaks", mode, ...MAIL, "-p", String(at));
      expect({ status, queued: /250 2\.0\.0 Ok: queued as/.test(said), said }).toMatchObject({
        status: 0,
        queued: true,
      });
    }
  });

  test("curl, by STARTTLS and from the first byte", () => {
    const message = join(server.directory, "message");
    writeFileSync(message, "Subject: x\r\n\r\nx\r\n");
    const chain = join(server.configDirectory, "chain.pem");
    const given = [
      "--mail-from",
      "ann@example.org",
      "--mail-rcpt",
      "bob@example.com",
      "--upload-file",
      message,
    ];
    for (const [scheme, at] of [["smtp", server.port], ["smtps", port.wrapped]] as const) {
      const url = ["--resolve", `mail.example.com:${at}:127.0.0.1`, `${scheme}://mail.example.com:${at}`];
      const { status, said } = run("curl", "-sv", "--ssl-reqd", "--cacert", chain, ...given, ...url);
      const what = {
        status,
        queued: said.includes("< 250 2.0.0 Ok: queued as"),
        verified: said.includes("SSL certificate verify ok"),
      };
      expect({ ...what, said }).toEqual({ status: 0, queued: true, verified: true, said });
      // Nobody vouches for it.
      expect(run("curl", "-sv", "--ssl-reqd", ...given, ...url).status).toBe(60);
    }
    // Where TLS is not offered curl does not go on.
    const url = `smtp://127.0.0.1:${port.clear}`;
    expect(run("curl", "-sv", "--ssl-reqd", ...given, url).status).toBe(64);
  });

  test("Python's smtplib", () => {
    const script = `import smtplib, ssl
c = ssl._create_unverified_context()
s = smtplib.SMTP('127.0.0.1', ${server.port}); s.starttls(context=c)
s.sendmail('ann@example.org', ['bob@example.com'], 'Subject: x\\r\\n\\r\\nx\\r\\n'); s.quit()
s = smtplib.SMTP_SSL('127.0.0.1', ${port.wrapped}, context=c)
s.sendmail('ann@example.org', ['bob@example.com'], 'Subject: x\\r\\n\\r\\nx\\r\\n'); s.quit()
`;
    expect(run("python3", "-c", script)).toEqual({ status: 0, said: "" });
  });

  test.each(["-tls1_2", "-tls1_3"])("openssl s_client %s", (version) => {
    const command = `(sleep 1; printf 'EHLO x\\r\\nQUIT\\r\\n'; sleep 1) | ` +
      `openssl s_client -quiet -starttls smtp ${version} -connect 127.0.0.1:${server.port}`;
    expect(run("sh", "-c", command).said).toMatch(/250 CHUNKING|250 REQUIRETLS/);
  });
});
