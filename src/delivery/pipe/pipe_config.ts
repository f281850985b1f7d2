import { unescape } from "../../base/unescape.ts";

/** What a master.cf entry of pipe(8) says. */
export interface PipeConfig {
  /** Letters of `flags=`. */
  readonly flags: ReadonlySet<string>;
  readonly user: string;
  readonly group: string | undefined;
  readonly directory: string | undefined;
  /** Line end of the message. */
  readonly eol: string;
  readonly nullSender: string;
  /** Largest message in bytes, 0 = no limit. */
  readonly size: number;
  readonly argv: readonly string[];
}

const FLAGS = /^[BDFORXhuq.>]*$/;

/** Reads the arguments of a pipe(8) entry; a text says what is wrong with them. */
export function parsePipe(service: string, args: readonly string[]): PipeConfig | string {
  const values = new Map<string, string>();
  let argv: readonly string[] = [];
  for (let at = 0; at < args.length; at++) {
    const equals = args[at]!.indexOf("=");
    const name = equals < 0 ? args[at]! : args[at]!.slice(0, equals);
    if (!/^(flags|user|directory|chroot|eol|null_sender|size|argv)$/.test(name) || equals < 0) {
      return `service ${service}: unknown attribute "${
        args[at]
      }"; known are flags=, user=, directory=, eol=, null_sender=, size=, argv=`;
    }
    values.set(name, args[at]!.slice(equals + 1));
    if (name !== "argv") continue;
    argv = [args[at]!.slice(equals + 1), ...args.slice(at + 1)];
    break;
  }
  const [user = "", group] = (values.get("user") ?? "").split(":");
  if (user === "") return `service ${service}: missing user= attribute`;
  if (argv.length === 0 || argv[0] === "") return `service ${service}: missing argv= attribute`;
  const flags = values.get("flags") ?? "";
  if (!FLAGS.test(flags)) {
    return `service ${service}: unknown flag in flags=${flags}; known are B D F O R X h u q . >`;
  }
  if (values.has("chroot")) {
    return `service ${service}: chroot= is not supported here: use a container instead`;
  }
  const size = values.get("size") ?? "0";
  if (!/^\d+$/.test(size)) return `service ${service}: bad size=${size}: write a number of bytes`;
  return {
    flags: new Set(flags),
    user,
    group,
    directory: values.get("directory"),
    eol: unescape(values.get("eol") ?? "\\n"),
    nullSender: values.get("null_sender") ?? "MAILER-DAEMON",
    size: Number(size),
    argv,
  };
}
