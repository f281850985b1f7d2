import { contains } from "../../address/network.ts";
import { type Ip, parseIp } from "../../address/ip.ts";
import type { RecordType } from "../../dns/record.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { SpfWord } from "../auth_result.ts";
import { type ClientNames, clientNames, isWithin, preferredName } from "./client_name.ts";
import { expandDomain, expandExplanation, type Subject, type Surroundings } from "./expand_macros.ts";
import { type MacroString, needsClientName, parseExplanation } from "./macro_string.ts";
import { isSpfRecord, parseSpfRecord } from "./parse_record.ts";
import { askSpf, type SpfAnswer } from "./spf_dns.ts";
import { mayHaveRecord } from "./spf_domain.ts";
import type { Directive, Mechanism, PrefixLengths, Qualifier, SpfRecord } from "./spf_record.ts";

/** What a check needs beside its subject. */
export interface EvaluationWorld {
  readonly resolver: Pick<Resolver, "query">;
  /** Aborted when the time is over: the result is temperror then (RFC 7208 §4.6.4). */
  readonly signal: AbortSignal;
}

/** What the evaluation of a domain's record came to. */
export interface Outcome {
  readonly is: SpfWord;
  readonly mechanism?: string;
  readonly why?: string;
  /** The record that decided, and whose it is: its explanation counts (RFC 7208 §6.2). */
  readonly decided?: { readonly record: SpfRecord; readonly domain: string };
}

/** The end of the whole evaluation, however deep. */
interface Stop {
  readonly is: "temperror" | "permerror";
  readonly why: string;
}

/** Terms that lead to DNS queries, in all records together (RFC 7208 §4.6.4). */
const MOST_TERMS = 10;
/** Those of them whose query had no answer (RFC 7208 §4.6.4). */
const MOST_VOID = 2;
/** Hosts of one `mx` (RFC 7208 §4.6.4). */
const MOST_HOSTS = 10;

const RESULTS: Readonly<Record<Qualifier, SpfWord>> = {
  "+": "pass",
  "-": "fail",
  "~": "softfail",
  "?": "neutral",
};

/** Longest directive that a result repeats. */
const MAX_SHOWN = 100;

const shown = ({ text }: Directive) => text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;

const isStop = (value: unknown): value is Stop =>
  typeof value === "object" && value !== null && "is" in value &&
  (value.is === "temperror" || value.is === "permerror");

const temperror = (why: string): Stop => ({ is: "temperror", why });
const permerror = (why: string): Stop => ({ is: "permerror", why });

/** One check of one subject: check_host() and the counts that it keeps (RFC 7208 §4). */
export class Evaluation {
  readonly #subject: Subject;
  readonly #world: EvaluationWorld;
  #terms = 0;
  #voids = 0;
  #names: ClientNames | undefined;

  constructor(subject: Subject, world: EvaluationWorld) {
    this.#subject = subject;
    this.#world = world;
  }

  /** check_host() for a domain. */
  async evaluate(domain: string): Promise<Outcome> {
    const record = await this.#record(domain);
    if ("is" in record) return record;
    for (const directive of record.directives) {
      const matches = await this.#matches(directive, domain);
      if (this.#world.signal.aborted) return temperror("no time left");
      if (isStop(matches)) return { ...matches, mechanism: shown(directive) };
      if (!matches) continue;
      return { is: RESULTS[directive.qualifier], mechanism: shown(directive), decided: { record, domain } };
    }
    if (record.redirect !== undefined) return await this.#redirected(record.redirect, domain);
    return { is: "neutral", mechanism: "default" };
  }

  /** What a domain says to those whom it refuses; undefined where it says nothing that can be passed on (RFC 7208 §6.2). */
  async explain({ record, domain }: NonNullable<Outcome["decided"]>): Promise<string | undefined> {
    if (record.explanation === undefined) return undefined;
    const name = expandDomain(
      record.explanation,
      this.#subject,
      await this.#explaining(record.explanation, domain),
    );
    const answer = await this.#ask(name, "TXT");
    if (answer.is !== "records" || answer.records.length !== 1) return undefined;
    const text = parseExplanation(answer.records[0]!.text);
    if ("fault" in text) return undefined;
    return expandExplanation(text, this.#subject, await this.#explaining(text, domain)) || undefined;
  }

  /** The record of a domain; "none" where it has none (RFC 7208 §4.3 to §4.5). */
  async #record(domain: string): Promise<SpfRecord | Outcome> {
    if (!mayHaveRecord(domain)) return { is: "none", why: "no domain name" };
    const answer = await this.#ask(domain, "TXT");
    if (answer.is === "trouble") return temperror(answer.why);
    const texts = answer.is === "records" ? answer.records.map(({ text }) => text).filter(isSpfRecord) : [];
    if (texts.length === 0) return { is: "none", why: `${domain} has no SPF record` };
    if (texts.length > 1) return permerror(`${domain} has ${texts.length} SPF records`);
    const record = parseSpfRecord(texts[0]!);
    return "fault" in record ? permerror(`${domain}: ${record.fault}`) : record;
  }

  async #redirected(spec: MacroString, domain: string): Promise<Outcome> {
    const target = this.#countTerm() ?? await this.#target(spec, domain);
    if (isStop(target)) return target;
    const outcome = await this.evaluate(target);
    return outcome.is === "none" ? permerror(`redirect=${target}: ${outcome.why ?? "no record"}`) : outcome;
  }

  async #matches({ mechanism }: Directive, domain: string): Promise<boolean | Stop> {
    const { ip } = this.#subject;
    switch (mechanism.is) {
      case "all":
        return true;
      case "ip4":
      case "ip6":
        return contains({ ...mechanism.network, length: mechanism.length }, ip);
      default:
        return this.#countTerm() ?? await this.#looksUp(mechanism, domain);
    }
  }

  async #looksUp(
    mechanism: Exclude<Mechanism, { readonly is: "all" | "ip4" | "ip6" }>,
    domain: string,
  ): Promise<boolean | Stop> {
    const target = await this.#target(mechanism.target, domain);
    if (isStop(target)) return target;
    switch (mechanism.is) {
      case "include":
        return await this.#includes(target);
      case "exists":
        return await this.#exists(target);
      case "a":
        return await this.#hasAddress(target, mechanism.lengths, "counted");
      case "mx":
        return await this.#isExchanger(target, mechanism.lengths);
      case "ptr":
        return await this.#isNamed(target);
    }
  }

  /** What another domain's record says makes a match, none, or an end (RFC 7208 §5.2). */
  async #includes(target: string): Promise<boolean | Stop> {
    const outcome = await this.evaluate(target);
    switch (outcome.is) {
      case "pass":
        return true;
      case "fail":
      case "softfail":
      case "neutral":
        return false;
      case "temperror":
        return temperror(outcome.why ?? "");
      case "permerror":
        return permerror(outcome.why ?? "");
      case "none":
        return permerror(`include:${target}: ${outcome.why ?? "no record"}`);
    }
  }

  /** Of type A, whatever family the client's address has (RFC 7208 §5.7). */
  async #exists(target: string): Promise<boolean | Stop> {
    const answer = await this.#ask(target, "A");
    return this.#countVoid(answer) ?? answer.is === "records";
  }

  async #hasAddress(
    name: string,
    lengths: PrefixLengths,
    voids: "counted" | "free",
  ): Promise<boolean | Stop> {
    const { ip } = this.#subject;
    const answer = await this.#ask(name, ip.family === 4 ? "A" : "AAAA");
    const stop = voids === "counted" ? this.#countVoid(answer) : undefined;
    if (stop !== undefined) return stop;
    if (answer.is === "trouble") return temperror(answer.why);
    return answer.is === "records" &&
      answer.records.some(({ address }) => isNear(parseIp(address), ip, lengths));
  }

  /** More hosts than ten are an error, wherever among them a match would be (RFC 7208 §4.6.4, §5.4). */
  async #isExchanger(target: string, lengths: PrefixLengths): Promise<boolean | Stop> {
    const answer = await this.#ask(target, "MX");
    const stop = this.#countVoid(answer);
    if (stop !== undefined || answer.is !== "records") return stop ?? false;
    const hosts = [...answer.records.map(({ exchange }) => exchange), ...answer.malformed];
    if (hosts.length > MOST_HOSTS) return permerror(`${target} has more than ${MOST_HOSTS} mail exchangers`);
    for (const host of hosts) {
      const matches = await this.#hasAddress(host, lengths, "free");
      if (matches !== false) return matches;
    }
    return false;
  }

  async #isNamed(target: string): Promise<boolean | Stop> {
    const { names, isVoid } = await this.#clientNames();
    const stop = isVoid ? this.#countVoid({ is: "void" }) : undefined;
    return stop ?? names.some((name) => isWithin(name, target.toLowerCase()));
  }

  /** The names are looked up once; of all terms that need them the first has paid for it. */
  async #clientNames(): Promise<ClientNames> {
    return this.#names ??= await clientNames(this.#subject.ip, this.#world.resolver, this.#world.signal);
  }

  /** The name that a term is about: its domain-spec expanded, or the domain of the record (RFC 7208 §4.8). */
  async #target(spec: MacroString | undefined, domain: string): Promise<string | Stop> {
    if (spec === undefined) return domain;
    const asks = needsClientName(spec);
    // The query for PTR records counts (RFC 7208 §4.6.4).
    const stop = asks && this.#names === undefined ? this.#countTerm() : undefined;
    if (stop !== undefined) return stop;
    const clientName = asks ? preferredName((await this.#clientNames()).names, domain) : "unknown";
    return expandDomain(spec, this.#subject, { domain, clientName });
  }

  /** An explanation's lookups count for nothing: the result stands (RFC 7208 §4.6.4). */
  async #explaining(spec: MacroString, domain: string): Promise<Surroundings> {
    const clientName = needsClientName(spec)
      ? preferredName((await this.#clientNames()).names, domain)
      : "unknown";
    return { domain, clientName };
  }

  #ask<Type extends RecordType>(name: string, type: Type): Promise<SpfAnswer<Type>> {
    return askSpf(this.#world.resolver, name, type, this.#world.signal);
  }

  #countTerm(): Stop | undefined {
    return ++this.#terms > MOST_TERMS
      ? permerror(`more than ${MOST_TERMS} terms that need the DNS`)
      : undefined;
  }

  #countVoid(answer: SpfAnswer<RecordType>): Stop | undefined {
    if (answer.is === "trouble") return temperror(answer.why);
    if (answer.is !== "void") return undefined;
    return ++this.#voids > MOST_VOID
      ? permerror(`more than ${MOST_VOID} lookups without an answer`)
      : undefined;
  }
}

function isNear(one: Ip | undefined, other: Ip, lengths: PrefixLengths): boolean {
  return one !== undefined &&
    contains({ ...one, length: one.family === 4 ? lengths.ipv4 : lengths.ipv6 }, other);
}
