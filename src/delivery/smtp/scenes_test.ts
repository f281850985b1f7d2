import { expect, test } from "bun:test";
import type { Settings } from "../../config/parameters/settings_type.ts";
import { CLIENT_SCENES, type Scene } from "../../../test/kit/scenes/client_scenes.ts";
import { LOGIN_SCENES } from "../../../test/kit/scenes/login_scenes.ts";
import { rewritingTools } from "../../../test/kit/memory/rewriting_tools.ts";
import { outcomeLines, testAgent } from "../../../test/kit/scenes/smtp_delivery.ts";
import { startSmtpPeer } from "../../../test/kit/servers/smtp_peer.ts";

const rewriting = rewritingTools();

/** Settings with the server's port in them. */
function filled(settings: NonNullable<Scene["settings"]>, port: number): Partial<Settings> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      name,
      typeof value === "string" ? value.replaceAll("PORT", String(port)) : value,
    ]),
  );
}

for (const [name, scene] of Object.entries({ ...CLIENT_SCENES, ...LOGIN_SCENES })) {
  test(`the client meets: ${name}`, async () => {
    const peer = await startSmtpPeer(scene.script);
    if (scene.noServer) await peer.close();
    const { agent, lines, deliver } = testAgent(filled(scene.settings ?? {}, peer.port), {
      program: scene.lmtp ? "lmtp" : "smtp",
      rewriting,
    });
    const nexthop = scene.lmtp ? `inet:127.0.0.1:${peer.port}` : `[127.0.0.1]:${peer.port}`;
    const report = await deliver({
      nexthop,
      arrival: Date.now() - 1000 * (scene.age ?? 0),
      to: (scene.to ?? ["a@D"]).map((to) => to.replace("@D", "@example.net")),
    });
    const masked = (text: string) =>
      text.replaceAll(`:${peer.port}`, ":P").replaceAll("@example.net", "@D").replace(
        /size \d+ exceeds/,
        "size S exceeds",
      )
        .replaceAll("4ABCDEF0123", "ID");
    const relay = scene.noServer ? "none " : "127.0.0.1[127.0.0.1]:P ";
    expect(outcomeLines(report).map((line) => masked(line).replace(relay, ""))).toEqual([...scene.want]);
    expect(lines.map((line) => masked(line).replace(/^\w+: /, ""))).toEqual([...scene.log ?? []]);
    if (scene.auth !== undefined) expect(peer.auth).toEqual([...scene.auth]);
    await agent.close();
    if (!scene.noServer) await peer.close();
  });
}
