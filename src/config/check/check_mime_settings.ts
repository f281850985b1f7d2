import type { Diagnostic } from "../syntax/diagnostic.ts";
import type { ScopedService } from "../services.ts";
import { textOf } from "./check_main.ts";
import { closing } from "./closings.ts";

const OFF = "disable_mime_input_processing";
const CONVERTS = "force_mime_input_conversion";

/** What is not looked into cannot be converted: cleanup(8) takes no message (as in Postfix 3.9). */
export function checkMimeSettings({ scope, service }: ScopedService): Diagnostic[] {
  const isOn = (name: string) => textOf(scope, name)?.toLowerCase() === "yes";
  if (service.program !== "cleanup" || !isOn(OFF) || !isOn(CONVERTS)) return [];
  const text = `do not specify both ${OFF}=yes and ${CONVERTS}=yes`;
  return [closing(scope.complaint(CONVERTS, "yes", text, "no for one of them"), [service])];
}
