import { BUILT_IN, expandBody, parseTemplates, type Template, type Templates } from "../bounce/template.ts";
import { ConfigurationFault } from "../config/diagnostic.ts";
import { type LightConfiguration, readSettings } from "../config/read_settings.ts";
import { realWorld } from "../config/world.ts";
import { ownProcessId } from "../platform/host.ts";
import { fatal } from "./_postconf_fault.ts";
import type { Output } from "./_postconf_show.ts";

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

/** The sender as header_from_format = standard writes it. */
function standardFrom(from: string): string {
  const match = /^(\S+) \(([^()]*)\)$/.exec(from);
  return match === null ? from : `${match[2]} <${match[1]}>`;
}

function headersOf(template: Template): string {
  const copy = template.postmasterSubject === "" ? "" : `Postmaster-Subject: ${template.postmasterSubject}\n`;
  return `Charset: ${template.charset}\nFrom: ${
    standardFrom(template.from)
  }\nSubject: ${template.subject}\n${copy}\n`;
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
    if (!request.expand) return `${name} = <<EOF\n${headersOf(template)}${template.body}EOF\n`;
    return `expanded_${name.replace("_template", "_text")} = <<EOF\n${
      expandBody(template.body, settings, parameter)
    }EOF\n`;
  });
  output.write(latin1(parts.join("\n")));
  return 0;
}
