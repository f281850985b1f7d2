import { isThere } from "../../../platform/file/small_files.ts";
import { socketBar } from "../../../platform/file/socket_bar.ts";
import type { Identity } from "../../../platform/process/spawn.ts";
import type { WantedBackend } from "../../../sasl/read_backend.ts";

/** A daemon that is asked, what is told of its socket when it is not there, and how it is opened to the workers. */
interface Daemon {
  readonly paths: readonly string[];
  readonly missing: (path: string) => string;
  readonly remedy: (path: string, identity: Identity) => string;
}

function daemonOf(wanted: WantedBackend): Daemon | undefined {
  if (wanted.is === "dovecot" && "path" in wanted.to) {
    return {
      paths: [wanted.to.path],
      missing: (path) =>
        `until Dovecot listens there, clients hear 421 (in Dovecot's configuration: service auth { unix_listener ${path} ` +
        "{ mode = 0660, with user and group of mail_owner } })",
      remedy: () => "let Dovecot's unix_listener have the user and group of mail_owner",
    };
  }
  if (wanted.is !== "cyrus") return undefined;
  return {
    paths: wanted.wants.paths,
    missing: () => "until saslauthd listens there, logins are answered with 454",
    remedy: (path, { gid }) =>
      `workers are of no group but their own; dpkg-statoverride --force --update --add root '#${gid}' 0710 ${path}`,
  };
}

/** What keeps the workers from the socket of a daemon that knows the users, as far as files tell. Nobody is asked. */
export function socketProblem(wanted: WantedBackend, identity: Identity | undefined): string | undefined {
  const daemon = daemonOf(wanted);
  if (daemon === undefined) return undefined;
  const { paths, missing, remedy } = daemon;
  const path = paths.find((each) => isThere(each));
  if (path === undefined) return `there is no socket ${paths[0]}: ${missing(paths[0]!)}`;
  const bar = identity && socketBar(path, identity);
  if (identity === undefined || bar === undefined) return undefined;
  const { uid, gid } = identity;
  return `mail_owner (${uid}:${gid}) cannot open the socket ${path}: ${bar.path} has mode ${bar.mode} and belongs to ` +
    `${bar.uid}:${bar.gid}; ${remedy(bar.path, identity)}`;
}
