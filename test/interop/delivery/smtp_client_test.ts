// The scenes of the SMTP client's own tests, played to Postfix's client: the delivery lines must say the same.
import { expect } from "bun:test";
import { CLIENT_SCENES, type Scene } from "../../kit/scenes/client_scenes.ts";
import { LOGIN_SCENES } from "../../kit/scenes/login_scenes.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { testAgent } from "../../kit/scenes/smtp_delivery.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { withPeers } from "../../kit/peers.ts";

const { afterAll, beforeAll, describe, test } = withPeers(
  import.meta.path,
  "postfix",
  "root",
  "libsasl2-modules",
);

/** But those of a message that has waited: there it would have to wait. */
const SCENES = Object.fromEntries(
  Object.entries({ ...CLIENT_SCENES, ...LOGIN_SCENES }).filter(([, { age }]) => age === undefined),
);
const SUBMISSION_PORT = 24872;

interface Stage {
  readonly name: string;
  readonly scene: Scene;
  readonly domain: string;
  readonly port: number;
  readonly peer: SmtpPeer;
}

/** A transport of its own for each scene, with the scene's parameters. */
function masterLine({ scene, port }: Stage, i: number): string {
  const value = (v: unknown) =>
    v === true
      ? "yes"
      : v === false
      ? "no"
      : String(v).replaceAll("PORT", String(port)).replaceAll("$", "$$$$");
  const options = Object.entries(scene.settings ?? {}).map(([name, v]) => ` -o {${name} = ${value(v)}}`).join(
    "",
  );
  return `scene${i} unix - - n - - ${scene.lmtp ? "lmtp" : "smtp"}${options}\n`;
}

async function setStages(): Promise<Stage[]> {
  return await Promise.all(
    Object.entries(SCENES).map(async ([name, scene], i) => {
      const peer = await startSmtpPeer(scene.script);
      if (scene.noServer) await peer.close();
      return { name, scene, domain: `s${i}.example.net`, port: peer.port, peer };
    }),
  );
}

describe("Postfix's client", () => {
  let postfix: PostfixInstance;
  let stages: Stage[];
  beforeAll(async () => {
    stages = await setStages();
    postfix = await startPostfix({
      main: {
        transport_maps: "texthash:$config_directory/transport",
        smtpd_relay_restrictions: "permit_mynetworks, reject",
        notify_classes: "",
      },
      master: `127.0.0.1:${SUBMISSION_PORT} inet n - n - - smtpd\n${stages.map(masterLine).join("")}`,
      files: {
        transport: stages.map(({ domain, port, scene }, i) =>
          `${domain} scene${i}:${scene.lmtp ? "inet:127.0.0.1" : "[127.0.0.1]"}:${port}\n`
        ).join(""),
      },
    });
  }, 180_000);
  afterAll(async () => {
    await postfix?.stop();
    for (const { peer, scene } of stages ?? []) if (!scene.noServer) await peer.close();
  });

  for (const name of Object.keys(SCENES)) {
    test(`meets: ${name}`, async () => {
      const { scene, domain, port, peer } = stages.find((stage) => stage.name === name)!;
      const to = (scene.to ?? ["a@D"]).map((address) => address.replace("@D", `@${domain}`));
      const submitter = testAgent();
      const report = await submitter.deliver({ nexthop: `[127.0.0.1]:${SUBMISSION_PORT}`, to });
      const id = /queued as (\w+)/.exec(report.outcomes[0]!.detail.text)![1]!;
      const line = (address: string) => new RegExp(`${id}: to=<${address}>.*status=.*`);
      let log = "";
      for (const address of to) log = await postfix.waitForLog(line(address));
      const masked = (text: string) =>
        text.replaceAll(`:${port}`, ":P").replaceAll(`@${domain}`, "@D")
          .replace(/size \d+ exceeds/, "size S exceeds").replaceAll(id, "ID");
      const parts = /relay=(.*?), (?:conn_use=\d+, )?delay=.*dsn=([\d.]+), status=(\w+) \((.*)\)$/;
      const seen = to.map((address) => parts.exec(line(address).exec(log)![0])!.slice(1).map(masked));
      const relay = scene.noServer ? "none" : "127.0.0.1[127.0.0.1]:P";
      expect(seen.map(([, dsn, status, text]) => `${status} ${dsn} (${text})`)).toEqual([...scene.want]);
      expect(seen.map(([first]) => first)).toEqual(to.map(() => relay));
      if (scene.auth !== undefined) expect(peer.auth).toEqual([...scene.auth]);
      for (const want of scene.log ?? []) expect(masked(log)).toContain(want);
      await submitter.agent.close();
    }, 180_000);
  }
});
