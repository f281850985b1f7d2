// The Dockerfile is really built, and the binary of its image serves mail as the image would: unprivileged, with a read-only
// root and one writable volume. Base images come from debootstrap, tagged with the names that the Dockerfile asks for.
import { expect } from "bun:test";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { mailbox } from "../../kit/mailbox.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort } from "../../kit/server.ts";
import { tied } from "../../kit/servers/tied_child.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "root", "buildah", "debootstrap", "procps");

const root = resolve(import.meta.dirname!, "../../..");

let home = "";
let image = "";

function sh(command: string[], options: { readonly cwd?: string } = {}): string {
  const run = Bun.spawnSync(command, { cwd: options.cwd ?? root, stdout: "pipe", stderr: "pipe" });
  if (run.exitCode !== 0) {
    throw new Error(
      `${command.join(" ")}\n${run.stdout.toString().slice(-4000)}${run.stderr.toString().slice(-4000)}`,
    );
  }
  return run.stdout.toString().trim();
}

function buildah(...args: string[]): string {
  return sh([
    "buildah",
    "--storage-driver",
    "vfs",
    "--root",
    join(home, "store"),
    "--runroot",
    join(home, "run"),
    ...args,
  ]);
}

/** The mirror that this machine's apt uses. */
function mirror(): string {
  const uri =
    sh(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]).split("\n")[0];
  if (uri === undefined || uri === "") throw new Error("apt has no package source");
  return uri;
}

/** Tags a root file system as the image `name`; the machine's CA certificates go along, as its registry may need them. */
function tagBase(rootfs: string, name: string): void {
  const container = buildah("from", "scratch");
  buildah("copy", "--quiet", container, rootfs, "/");
  buildah("config", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container);
  for (const variable of ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"]) {
    const value = process.env[variable];
    if (value !== undefined) buildah("config", "--env", `${variable}=${value}`, container);
  }
  buildah("commit", "--quiet", container, name);
  buildah("rm", container);
}

/** Node.js and npm of this machine, put where the build image has them. */
function addNode(rootfs: string): void {
  const node = Bun.which("node")!;
  const modules = resolve(node, "../../lib/node_modules");
  mkdirSync(join(rootfs, "usr/local/bin"), { recursive: true });
  mkdirSync(join(rootfs, "usr/local/lib"), { recursive: true });
  cpSync(node, join(rootfs, "usr/local/bin/node"), { dereference: true });
  cpSync(modules, join(rootfs, "usr/local/lib/node_modules"), { recursive: true, verbatimSymlinks: true });
  sh(["ln", "-sf", "../lib/node_modules/npm/bin/npm-cli.js", join(rootfs, "usr/local/bin/npm")]);
  sh(["ln", "-sf", "../lib/node_modules/npm/bin/npx-cli.js", join(rootfs, "usr/local/bin/npx")]);
}

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "mta-container-"));
  const base = join(home, "base");
  sh(["debootstrap", "--variant=minbase", "bookworm", base, mirror()]);
  if (existsSync("/etc/ssl/certs")) {
    cpSync("/etc/ssl/certs", join(base, "etc/ssl/certs"), { recursive: true, dereference: true });
  }
  tagBase(base, "debian:bookworm-slim");
  addNode(base);
  tagBase(base, "node:22-bookworm-slim");
  buildah("build", "--isolation", "chroot", "--pull-never", "--format", "docker", "-t", "mta:test", root);
  image = join(home, "image");
  const container = buildah("from", "--pull-never", "mta:test");
  sh(["cp", "-a", buildah("mount", container), image]);
}, 900_000);

afterAll(() => {
  if (home !== "") rmSync(home, { recursive: true, force: true });
});

interface ImageConfig {
  readonly config: {
    readonly User: string;
    readonly Entrypoint: string[];
    readonly Cmd: string[];
    readonly Volumes: Readonly<Record<string, unknown>>;
    readonly Healthcheck?: { readonly Test: string[] };
    readonly StopSignal: string;
  };
}

test("the image is unprivileged, has one volume and a health check", () => {
  const inspected = JSON.parse(buildah("inspect", "--type", "image", "mta:test")) as { Docker: ImageConfig };
  const { config } = inspected.Docker;
  expect(config.User).toBe("mta");
  expect(Object.keys(config.Volumes)).toEqual(["/var/lib/mta"]);
  expect([...config.Entrypoint, ...config.Cmd]).toEqual(["mta", "serve"]);
  expect(config.Healthcheck?.Test).toEqual(["CMD", "mta", "status"]);
  expect(config.StopSignal).toBe("SIGTERM");
});

/** The image's command with the image's user, a read-only root, a private /proc, and the volume alone writable. */
function inImage(...command: string[]): string[] {
  return inImageAs("mta:mta", command);
}

function inImageAs(user: string, command: readonly string[]): string[] {
  const script = [
    'mount --bind "$0" "$0"',
    'mount --bind "$0/var/lib/mta" "$0/var/lib/mta"',
    'mount -o remount,bind,ro "$0"',
    'mount -t proc proc "$0/proc"',
    'mount --rbind /dev "$0/dev"',
    'exec chroot --userspec=USER --groups= "$0" "$@"',
  ].join(" && ").replace("USER", user);
  return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, image, ...command];
}

function dialogue(port: number, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let seen = "";
    let next = 0;
    socket.setTimeout(60_000, () => (socket.destroy(), reject(new Error(`timed out after: ${seen}`))));
    socket.on("data", (chunk) => {
      seen += chunk.toString("latin1");
      if (
        /^\d{3} [^\n]*\n$/m.test(seen.slice(seen.lastIndexOf("\n", seen.length - 2) + 1)) &&
        next < lines.length
      ) {
        socket.write(lines[next++]!);
      }
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(seen));
  });
}

test(
  "the image's binary accepts mail as a user with a read-only root, and stops on SIGTERM",
  async () => {
    const port = await freePort();
    const environment = {
      ...process.env,
      PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
      MTA_mydestination: "example.com",
      MTA_alias_maps: "inline:{ webmaster=/var/lib/mta/mail/webmaster }",
      MTA_http_listen: "",
      MTA_inet_interfaces: "127.0.0.1",
    };
    const master = readFileSync(join(image, "etc/mta/master.cf"), "utf8").replace(/^2525 /m, `${port} `);
    await Bun.write(join(image, "etc/mta/master.cf"), master);
    const child = Bun.spawn(tied(inImage("mta", "serve")), {
      env: environment,
      stdout: "pipe",
      stderr: "pipe",
    });
    const log = new Response(child.stdout).text();
    let answer = "";
    await until("a session", async () => {
      answer = await dialogue(port, [
        "HELO client.example.org\r\n",
        "MAIL FROM:<a@example.org>\r\n",
        "RCPT TO:<webmaster@example.com>\r\n",
        "DATA\r\n",
        "Subject: hello\r\n\r\nfrom the container\r\n.\r\n",
        "QUIT\r\n",
      ]).catch(() => "");
      return answer.startsWith("220");
    });
    expect(answer).toMatch(
      /^220 .*\r\n250 .*\r\n250 2\.1\.0 Ok\r\n250 2\.1\.5 Ok\r\n354 .*\r\n250 2\.0\.0 Ok: queued as \S+\r\n221 2\.0\.0 Bye\r\n$/,
    );
    expect(await mailbox(join(image, "var/lib/mta/mail/webmaster"))).toContain("from the container");
    // A user that an image built on this one adds.
    const sendmail = inImageAs("4321:4321", [
      "/usr/sbin/sendmail",
      "-f",
      "app@example.org",
      "webmaster@example.com",
    ]);
    const sent = Bun.spawn(sendmail, {
      env: environment,
      stdin: Buffer.from("Subject: from an app\n\nhello\n"),
      stderr: "pipe",
    });
    expect([await sent.exited, await new Response(sent.stderr).text()]).toEqual([0, ""]);
    await mailbox(join(image, "var/lib/mta/mail/webmaster"), "from userid 4321");
    const inside = sh(["pgrep", "-P", String(child.pid)]).split("\n")[0]!;
    process.kill(Number(inside), "SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await log).toContain('"removed"');
  },
  180_000,
);
