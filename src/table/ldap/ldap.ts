import { isUtf8 } from "node:buffer";
import { TABLE_PARAMETERS } from "../../config/parameters/table_parameters.ts";
import type { OpenTable, TableContext } from "../context.ts";
import { parseFilter, quoteForDn, quoteForFilter } from "./ldap_filter.ts";
import type { LdapSearch } from "./ldap_codec.ts";
import type { LdapConnection, LdapFound } from "./ldap_connection.ts";
import { LdapLookup, searchFault } from "./ldap_lookup.ts";
import { LdapPool } from "./ldap_pool.ts";
import { searchWithReferrals } from "./ldap_referrals.ts";
import {
  BUSY,
  DECODING_ERROR,
  LdapFault,
  NO_SUCH_OBJECT,
  resultText,
  SERVER_DOWN,
  TIMED_OUT,
  UNAVAILABLE,
} from "./ldap_result_codes.ts";
import type { LdapServer } from "./ldap_servers.ts";
import { type LdapSettings, ldapSettings } from "./ldap_settings.ts";
import { type DomainFilter, openDomainFilter, whenAdmitted } from "../query_file/query_domain.ts";
import { type QueryFile, withQueryFile } from "../query_file/query_file.ts";
import { ResultGatherer, type ResultRules } from "../query_file/query_result.ts";
import { expandTemplate, isDynamic, type Parts, TemplateNeeds } from "../query_file/query_template.ts";
import { type Ask, LookupFault, remoteTable } from "../remote/remote_table.ts";
import { ServerFault, Servers } from "../remote/servers.ts";
import { ABSENT, type Answer, type Table } from "../table.ts";
import type { ListTables } from "../search/match_list.ts";

/** `ldap:/file`, or `ldap:name` with `name_server_host` and so on in main.cf (ldap_table(5)). */
export function openLdap(name: string, spec: string, context: TableContext, open: OpenTable): Table {
  return withQueryFile(name, spec, { context, attributes: TABLE_PARAMETERS["ldap"]! }, (file) => {
    const directory = new LdapTable(file, spec, { context, open });
    const { settings } = directory;
    return remoteTable(spec, context, {
      deadline: settings.timeout * (settings.servers.length + 2),
      pattern: directory.isPartial,
      close: () => directory.close(),
    }, directory.ask);
  });
}

/** Longest filter or base, in characters: a key is an address or a name, not a text. */
const QUESTION_LIMIT = 16_384;

/** A search that stands for one key. */
interface Question {
  readonly key: Parts;
  readonly base: string;
  readonly filter: string;
}

class LdapTable {
  /** The directory sees parts of keys only: those of addresses are not looked up one by one. */
  get isPartial(): boolean {
    return this.#rules.needs.isPartial || this.#domains.restricts;
  }

  readonly settings: LdapSettings;
  readonly #context: TableContext;
  readonly #rules: ResultRules;
  readonly #pool: LdapPool;
  readonly #servers: Servers<LdapServer>;
  readonly #domains: DomainFilter;

  constructor(file: QueryFile, spec: string, tables: ListTables) {
    const { context } = tables;
    const settings = this.settings = ldapSettings(file, context);
    const { base, filter, format, expansionLimit: limit } = settings;
    this.#context = context;
    this.#rules = { spec, format, needs: new TemplateNeeds(base, filter, format), limit, warn: context.warn };
    this.#pool = new LdapPool(settings, context);
    this.#domains = openDomainFilter(file, tables);
    this.#servers = new Servers(spec, settings.servers, context, {
      nameOf: ({ name }) => name,
      order: "listed",
    });
  }

  readonly ask: Ask = (key, signal) =>
    whenAdmitted(this.#domains, key, () => {
      const question = this.#question(key);
      return question === undefined
        ? ABSENT
        : this.#servers.ask((server) => this.#put(server, question, signal));
    }, ABSENT);

  /** Undefined for a key that lacks what the templates need, and for one that is no text in UTF-8: then nothing is looked up. */
  #question(whole: string): Question | undefined {
    const key = this.#rules.needs.ofKey(whole);
    const asked = this.#context.encoding === "latin1" ? this.#asUtf8(whole) : key;
    if (key === undefined || asked === undefined) return undefined;
    const base = expandTemplate(this.settings.base, { key: asked, quote: quoteForDn });
    const filter = expandTemplate(this.settings.filter, { key: asked, quote: quoteForFilter });
    if (base.length + filter.length > QUESTION_LIMIT) {
      throw new LookupFault(`a key of ${whole.length} characters is too long`, { retry: false });
    }
    return { key, base, filter };
  }

  /** A key of bytes (smtputf8_enable = no) as the text that a directory compares. */
  #asUtf8(key: string): Parts | undefined {
    const bytes = Buffer.from(key, "latin1");
    return isUtf8(bytes) ? this.#rules.needs.ofKey(bytes.toString()) : undefined;
  }

  /** A connection that was open already may have died unnoticed: then the question is put once more on a new one. */
  async #put(server: LdapServer, question: Question, signal: AbortSignal): Promise<Answer> {
    const wasOpen = this.#pool.has(server);
    try {
      return await this.#lookUp(server, question, signal);
    } catch (error) {
      const isLost = error instanceof LdapFault && error.code === SERVER_DOWN;
      if (!isLost || !wasOpen || signal.aborted) throw outwards(error, server);
    }
    try {
      return await this.#lookUp(server, question, signal);
    } catch (error) {
      throw outwards(error, server);
    }
  }

  async #lookUp(server: LdapServer, { key, base, filter }: Question, signal: AbortSignal): Promise<Answer> {
    const { settings } = this;
    const connection = await this.#pool.get(server, settings.credentials);
    const gatherer = new ResultGatherer(this.#rules, key);
    const lookup = new LdapLookup({
      settings,
      gatherer,
      warn: (text) => this.#context.warn(`table ${this.#rules.spec}: ${text}`),
      encoding: this.#context.encoding ?? "utf8",
      search: (search) => this.#search(connection, search, signal),
    });
    try {
      const request = lookup.request(base, settings.scope, parseFilter(filter));
      await lookup.take((await this.#search(connection, request, signal)).entries);
    } catch (error) {
      if (!(error instanceof LdapFault) || error.code !== NO_SUCH_OBJECT) throw error;
      if (isDynamic(settings.base)) return ABSENT;
      throw new LookupFault(`Search base '${base}' not found: ${error.code}: ${resultText(error.code)}`);
    }
    return gatherer.answer();
  }

  #search(connection: LdapConnection, search: LdapSearch, signal: AbortSignal): Promise<LdapFound> {
    const first = () => connection.search(search, signal);
    if (!this.settings.chaseReferrals) return first();
    return searchWithReferrals(first, search, async (server, there) => {
      const other = await this.#pool.get(server, { by: "simple", dn: "", password: "" });
      return await other.search(there, signal);
    });
  }

  close(): void {
    this.#pool.close();
    this.#domains.close();
  }
}

/** With these the next server may be asked, and this one is left alone for a while. */
const OF_THE_SERVER = new Set([SERVER_DOWN, TIMED_OUT, DECODING_ERROR, BUSY, UNAVAILABLE]);

function outwards(error: unknown, { name }: LdapServer): unknown {
  if (!(error instanceof LdapFault)) return error;
  const fault = searchFault(error);
  return OF_THE_SERVER.has(error.code)
    ? new ServerFault(`server ${name}: ${fault.message}`, { cause: error })
    : fault;
}
