import type { MacroSource } from "../../milter/macros.ts";

/** What macros tell of a message's content; `mailAddress` and `rcptAddress` for mail that did not come by SMTP. */
export interface ContentFacts {
  readonly hostname: string;
  /** milter_macro_daemon_name and milter_macro_v. */
  readonly daemon: string;
  readonly version: string;
  readonly client: {
    readonly name: string;
    readonly reverseName: string;
    readonly address: string;
    readonly port: number;
  };
  readonly server: { readonly address: string; readonly port: number };
  readonly id: string;
  readonly authType?: string | undefined;
  readonly authUser?: string | undefined;
  readonly authSender?: string | undefined;
  readonly mailAddress?: string | undefined;
  readonly rcptAddress?: string | undefined;
}

/** The name and address of a client as sendmail shows them. */
export function clientMacro({ name, reverseName, address }: Omit<ContentFacts["client"], "port">): string {
  const forged = name.toLowerCase() === reverseName.toLowerCase() ? "" : " (may be forged)";
  return `${reverseName} [${address}]${forged}`;
}

const MACROS: Readonly<Record<string, (facts: ContentFacts) => string | undefined>> = {
  daemon_name: ({ daemon }) => daemon,
  v: ({ version }) => version,
  j: ({ hostname }) => hostname,
  _: ({ client }) => clientMacro(client),
  client_addr: ({ client }) => client.address,
  client_name: ({ client }) => client.name,
  client_port: ({ client }) => `${client.port}`,
  client_ptr: ({ client }) => client.reverseName,
  daemon_addr: ({ server }) => server.address,
  daemon_port: ({ server }) => `${server.port}`,
  i: ({ id }) => id,
  auth_type: ({ authType }) => authType,
  auth_authen: ({ authUser }) => authUser,
  auth_author: ({ authSender }) => authSender,
  mail_addr: ({ mailAddress }) => mailAddress,
  rcpt_addr: ({ rcptAddress }) => rcptAddress,
};

/** What macros are worth when content is looked at: fewer than in the session (MILTER_README). */
export function contentMacros(facts: ContentFacts): MacroSource {
  return (name) => Object.hasOwn(MACROS, name) ? MACROS[name]!(facts) : undefined;
}
