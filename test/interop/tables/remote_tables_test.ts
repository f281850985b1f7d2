// Tables on servers in every parameter that takes tables, beside a private real Postfix: replies, log lines, warnings.
import { PEER_MAPS, REMOTE } from "../../access/remote_table_scenarios.ts";
import { compareScenarios, freePorts } from "../../kit/scenes/compare_scenarios.ts";
import { startSocketmap, startTcpTable } from "../../kit/servers/table_peers.ts";

function answer(map: string, key: string): string {
  const trouble = /^(temp|timeout|perm)/.exec(key)?.[1];
  if (trouble !== undefined) return `${trouble.toUpperCase()} says the peer`;
  const value = Object.hasOwn(PEER_MAPS, map) ? PEER_MAPS[map]![key] : undefined;
  return value === undefined ? "NOTFOUND " : `OK ${value}`;
}

compareScenarios("tables on servers answer in every parameter as in Postfix", REMOTE, async () => {
  const peer = await startSocketmap(answer);
  const tcp = await startTcpTable((question) =>
    question === "get evil@x.example" ? "200 REJECT%20evil%20by%20tcp\n" : "500 not found\n"
  );
  const [gone] = await freePorts(1);
  return {
    names: {
      PEER: `127.0.0.1:${peer.port}`,
      GONE: `127.0.0.1:${gone}`,
      TCP: `127.0.0.1:${tcp.port}`,
    },
    close: async () => {
      await Promise.all([peer.close(), tcp.close()]);
    },
  };
});
