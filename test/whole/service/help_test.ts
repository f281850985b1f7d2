import { expect } from "bun:test";
import { COMMANDS } from "../../../src/commands/command_rows.ts";
import { runMta } from "../../kit/server.ts";
import { withPeers } from "../../kit/peers.ts";

const { test: whole } = withPeers(import.meta.path, "dist/mta");

function fits(text: string): boolean {
  const lines = text.trimEnd().split("\n");
  return lines.length <= 24 && lines.every((line) => line.length <= 80);
}

whole("mta --help and every command's own fit a screen of 24 lines and 80 columns", async () => {
  const calls = [["--help"], ...Object.keys(COMMANDS).map((name) => [name, "--help"])];
  for (const call of calls) {
    const { code, stdout } = await runMta(call);
    expect({ call, code, fits: fits(stdout), usage: stdout.startsWith("usage: mta") })
      .toEqual({ call, code: 0, fits: true, usage: true });
  }
});

whole("mta --help and mta help name every command but other names of one that they list", async () => {
  const names = Object.keys(COMMANDS).filter((name) => COMMANDS[name]!.hidden !== true).sort();
  const long = await runMta(["help"]);
  expect([...long.stdout.matchAll(/^ {2}(\S+) +\S/gm)].map(([, name]) => name).sort()).toEqual(names);
  const short = await runMta(["--help"]);
  const lines = short.stdout.split("\n").filter((line) => line.startsWith("  "));
  expect(lines.flatMap((line) => line.slice(17).split(" ")).sort()).toEqual(names);
});
