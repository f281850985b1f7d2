import { expect, test } from "bun:test";
import type { Settings } from "../../config/parameters/settings_type.ts";
import { CLIENT_SCENES } from "../../../test/kit/scenes/client_scenes.ts";
import { outcomeLines, testAgent } from "../../../test/kit/scenes/smtp_delivery.ts";
import { startSmtpPeer } from "../../../test/kit/servers/smtp_peer.ts";

for (const [name, scene] of Object.entries(CLIENT_SCENES)) {
  test(`the client meets: ${name}`, async () => {
    const peer = await startSmtpPeer(scene.script);
    if (scene.noServer) await peer.close();
    const { agent, lines, deliver } = testAgent(scene.settings as Partial<Settings>, {
      program: scene.lmtp ? "lmtp" : "smtp",
    });
    const nexthop = scene.lmtp ? `inet:127.0.0.1:${peer.port}` : `[127.0.0.1]:${peer.port}`;
    const report = await deliver({
      nexthop,
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
    await agent.close();
    if (!scene.noServer) await peer.close();
  });
}
