import { isPromise, type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Answer, Table } from "../../table/table.ts";
import type { Identity } from "../mailbox/writer.ts";

/** Somebody who has a mailbox here. */
export interface LocalUser extends Identity {
  readonly name: string;
  readonly home: string;
  readonly shell: string;
}

/** Whether there is such a user, or that it could not be found out. */
export type UserAnswer =
  | { readonly is: "found"; readonly user: LocalUser }
  | { readonly is: "absent" }
  | { readonly is: "trouble"; readonly why: string };

/** Finds users by name. */
export type UserLookup = (name: string) => MaybeAsync<UserAnswer>;

/**
 * A row in passwd(5)'s form `name:password:uid:gid:gecos:home:shell`. An empty name or `*` is the name asked for; without uid
 * and gid the user is the one that the mail system runs as. Undefined when it is no such row.
 */
function parseUser(row: string, asked: string, own: Identity): LocalUser | undefined {
  const [name = "", _password, uid, gid, _gecos, home, shell] = row.split(":");
  const number = (text: string | undefined, fallback: number) =>
    text === undefined || text === "" ? fallback : /^\d+$/.test(text) ? Number(text) : undefined;
  const [user, group] = [number(uid, own.uid), number(gid, own.gid)];
  if (user === undefined || group === undefined) return undefined;
  return {
    name: name === "" || name === "*" ? asked : name,
    uid: user,
    gid: group,
    home: home ?? "",
    shell: shell ?? "",
  };
}

/** Looks users up in tables of passwd(5) rows (local_user_maps), the first that knows them wins. */
export function createUserLookup(tables: readonly Table[], own: Identity): UserLookup {
  const read = (answer: Answer, asked: string, at: number): MaybeAsync<UserAnswer> => {
    if (answer.is === "absent") return find(asked, at + 1);
    if (answer.is === "trouble") return { is: "trouble", why: answer.why };
    const user = parseUser(answer.value, asked, own);
    return user === undefined
      ? { is: "trouble", why: `${tables[at]!.spec}: "${answer.value}" for "${asked}" is no passwd(5) row` }
      : { is: "found", user };
  };
  const find = (name: string, at: number): MaybeAsync<UserAnswer> => {
    if (at >= tables.length) return { is: "absent" };
    const answer = tables[at]!.lookup(name);
    return isPromise(answer) ? then(answer, (later) => read(later, name, at)) : read(answer, name, at);
  };
  return (name) => find(name, 0);
}
