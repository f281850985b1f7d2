// The founding scenario's session against the real Postfix: the replies that we hold ourselves to are its own.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { startPostfix } from "../../kit/servers/postfix.ts";
import { playScenario, SCENARIO_FILES, SCENARIO_MAIN_CF } from "../../kit/scenes/scenario.ts";
import { freePort } from "../../kit/server.ts";
import { withPeers } from "../../kit/peers.ts";

const { test } = withPeers(import.meta.path, "postfix", "root");

test(
  "the tutorial's session gets the same replies from the real Postfix",
  async () => {
    const port = await freePort();
    const postfix = await startPostfix({
      main: {
        ...SCENARIO_MAIN_CF,
        inet_interfaces: "127.0.0.1",
        alias_maps: "inline:{ webmaster=nobody }",
        smtpd_authorized_xclient_hosts: "127.0.0.1",
      },
      master: `127.0.0.1:${port} inet n - n - - smtpd`,
      files: SCENARIO_FILES,
    });
    try {
      for (const name of Object.keys(SCENARIO_FILES)) {
        const made = spawnSync("/usr/sbin/postmap", [
          "-c",
          postfix.configDirectory,
          `hash:${postfix.configDirectory}/${name}`,
        ]);
        expect(made.status).toBe(0);
      }
      expect(await playScenario(port, "220 mail.example.com ESMTP Postfix")).toEqual([]);
    } finally {
      await postfix.stop();
    }
  },
  180_000,
);
