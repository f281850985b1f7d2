import type { Diagnostic } from "../syntax/diagnostic.ts";
import type { ScopedService } from "../services.ts";
import { textOf } from "./check_main.ts";
import { closing } from "./closings.ts";

const LIMITS: Readonly<Record<string, string>> = {
  local: "mailbox_size_limit",
  virtual: "virtual_mailbox_limit",
};

/** postconf(5): a message that the queue takes must fit the mailbox it goes to, else local(8) or virtual(8) does not start. */
export function checkMailboxLimit({ scope, service }: ScopedService): Diagnostic[] {
  const name = LIMITS[service.program];
  if (name === undefined) return [];
  const number = (parameter: string) => {
    const text = textOf(scope, parameter);
    return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
  };
  const [limit, message] = [number(name), number("message_size_limit")];
  if (limit === undefined || message === undefined || limit === 0) return [];
  if (message !== 0 && limit >= message) return [];
  const text = `configuration error: ${name} is smaller than message_size_limit`;
  const expected = message === 0
    ? "0 (no limit)"
    : `0 (no limit), or at least message_size_limit (${message})`;
  const set = scope.setting(name) === undefined ? "message_size_limit" : name;
  return [closing(scope.complaint(set, textOf(scope, set) ?? "", text, `${name} = ${expected}`), [service])];
}
