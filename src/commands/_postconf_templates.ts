import { fatal } from "./_postconf_fault.ts";
import type { Output } from "./_postconf_show.ts";

/** What `-b` and `-t` show. */
export interface TemplateRequest {
  readonly expand: boolean;
  readonly file: string | undefined;
  readonly directory: string;
}

/** Shows the bounce templates (bounce(5)). */
export function showTemplates(_request: TemplateRequest, _output: Output): number {
  return fatal("bounce templates are not there yet");
}
