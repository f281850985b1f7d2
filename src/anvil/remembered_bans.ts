import { isLoginKind, type LoginBan, type RememberedBans } from "./login_ledger.ts";

/** A line each. */
export function printBans({ bans, familiar }: RememberedBans): string {
  const rows = [
    ...bans.map(({ kind, what, failures, until }) => [kind, what, failures, until]),
    ...familiar.map(({ user, network }) => ["familiar", user, network]),
  ];
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

/** Reads them; a line that is none of ours says nothing. */
export function parseBans(text: string): RememberedBans {
  const bans: LoginBan[] = [];
  const familiar: { user: string; network: string }[] = [];
  for (const line of text.split("\n")) {
    const [word, what, third, until] = rowOf(line);
    if (typeof word !== "string" || typeof what !== "string") continue;
    if (word === "familiar" && typeof third === "string") familiar.push({ user: what, network: third });
    const isCount = typeof third === "number" && typeof until === "number" && third > 0;
    if (isCount && isLoginKind(word)) bans.push({ kind: word, what, failures: third, until });
  }
  return { bans, familiar };
}

function rowOf(line: string): readonly unknown[] {
  try {
    const row: unknown = JSON.parse(line);
    return Array.isArray(row) ? row : [];
  } catch {
    return [];
  }
}
