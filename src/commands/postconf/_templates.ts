import {
  BUILT_IN,
  expandBody,
  parseTemplates,
  type Template,
  type Templates,
} from "../../bounce/template.ts";
import { ConfigurationFault } from "../../config/syntax/diagnostic.ts";
import { type LightConfiguration, readSettings } from "../../config/read_settings.ts";
import { realWorld } from "../../config/world.ts";
import { ownProcessId } from "../../platform/host.ts";
import { fatal } from "./_fault.ts";
import type { Output } from "./_show.ts";

/** What `-b` and `-t` show. */
export interface TemplateRequest {
  readonly expand: boolean;
  /** Overrides bounce_template_file; "" means the built-in texts. */
  readonly file: string | undefined;
  readonly directory: string;
}

const latin1 = (text: string) => Buffer.from(text).toString("latin1");

/** The templates in use: those of the file, where it has them. */
function templatesOf(file: string, world: ReturnType<typeof realWorld>): Templates {
  if (file === "") return BUILT_IN;
  const read = world.readText(file);
  if ("error" in read) return fatal(`open bounce_template_file ${file}: ${read.error}`);
  const parsed = parseTemplates(read.text);
  return "is" in parsed ? fatal(`${file}, line ${parsed.line}: ${parsed.why}`) : parsed;
}

/** The sender of a template that names none, as Postfix shows it. */
const OWN_SENDER = {
  standard: "Mail Delivery System <MAILER-DAEMON>",
  obsolete: "MAILER-DAEMON (Mail Delivery System)",
};

function headersOf(template: Template, format: string): string {
  const from = template.from ??
    (format.toLowerCase() === "obsolete" ? OWN_SENDER.obsolete : OWN_SENDER.standard);
  const copy = template.postmasterSubject === "" ? "" : `Postmaster-Subject: ${template.postmasterSubject}\n`;
  return `Charset: ${template.charset}\nFrom: ${from}\nSubject: ${template.subject}\n${copy}\n`;
}

function read(directory: string, world: ReturnType<typeof realWorld>): LightConfiguration {
  try {
    return readSettings({ directory, world });
  } catch (error) {
    if (error instanceof ConfigurationFault) return fatal(error.diagnostics[0]!.text);
    throw error;
  }
}

/** Shows the bounce templates with their headers (-t), or their texts with the values of `$name` (-b) (bounce(5)). */
export function showTemplates(request: TemplateRequest, output: Output): number {
  const world = realWorld(ownProcessId(), "bounce");
  const { settings, parameter } = read(request.directory, world);
  const templates = templatesOf(request.file ?? settings.bounce_template_file, world);
  const parts = Object.entries(templates).map(([name, template]: [string, Template]) => {
    if (!request.expand) {
      return `${name} = <<EOF\n${headersOf(template, settings.header_from_format)}${template.body}EOF\n`;
    }
    return `expanded_${name.replace("_template", "_text")} = <<EOF\n${
      expandBody(template.body, settings, parameter)
    }EOF\n`;
  });
  output.write(latin1(parts.join("\n")));
  return 0;
}
