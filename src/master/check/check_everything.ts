import { isListening } from "../../config/listening_endpoints.ts";
import { loadConfiguration } from "../../config/load.ts";
import { type Configuration, serviceKey } from "../../config/service.ts";
import { checkConfigured, type TopicFindings } from "./check_configured.ts";
import { type Finding, findingOf } from "./finding.ts";

/** All that was found in a configuration. */
export interface Everything {
  readonly groups: readonly TopicFindings[];
  /** The service would not start, or a port of it would turn everybody away. */
  readonly refused: boolean;
  /** As far as it can be told; undefined where it cannot. */
  readonly configuration: Configuration | undefined;
}

/** Reads main.cf, master.cf and what they name, and finds what is wrong: also behind what keeps the service from starting. */
export async function checkEverything(
  directory: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Everything> {
  const loaded = loadConfiguration({ directory, environment });
  const [errors, configuration] = loaded.is === "bad"
    ? [loaded.errors, loaded.unfit]
    : [[], loaded.configuration];
  const ofFiles: TopicFindings = {
    topic: "configuration",
    findings: [...errors, ...loaded.warnings].map(findingOf),
  };
  const groups = configuration === undefined
    ? [ofFiles]
    : [ofFiles, ...await ofTables(configuration, ofFiles.findings)];
  const ports = new Set(configuration?.services.filter(isPort).map(serviceKey));
  const refused = groups.some(({ findings }) =>
    findings.some(({ severity, closes = [] }) =>
      severity === "refused" || closes.some((key) => ports.has(key))
    )
  );
  return { groups, refused, configuration };
}

const isPort = (service: Configuration["services"][number]) =>
  isListening(service) || (service.program === "smtpd" && service.type === "pass");

/** What opening everything brings to light; where that cannot be done, why, unless the files have said so. */
async function ofTables(configuration: Configuration, known: readonly Finding[]): Promise<TopicFindings[]> {
  const texts = new Set(known.map(({ text }) => text));
  try {
    return (await checkConfigured(configuration)).map(({ topic, findings }) => ({
      topic,
      findings: findings.filter(({ text }) => !texts.has(text)),
    }));
  } catch (error) {
    if (known.some(({ severity }) => severity === "refused")) return [];
    return [{ topic: "configuration", findings: [{ severity: "refused", text: (error as Error).message }] }];
  }
}
