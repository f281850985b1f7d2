import { isOperator, printTokens, scanTokens, type Token } from "./tokens.ts";

const SIMPLE = /^[^\x00-\x20\x7f()<>,;:\\"[\]]+$/;

/** The addresses of a table result such as `joe@a, "jane roe"@b`, in internal form (virtual(5), canonical(5)). */
export function parseAddressList(text: string): string[] {
  if (SIMPLE.test(text)) return [text];
  const addresses: string[] = [];
  for (const group of splitAt(scanTokens(text), ",")) addresses.push(...addressesOf(group));
  return addresses.filter((address) => address !== "");
}

function splitAt(tokens: readonly Token[], sign: string): Token[][] {
  const groups: Token[][] = [[]];
  for (const token of tokens) {
    if (isOperator(token, sign)) groups.push([]);
    else if (token.type !== "comment") groups[groups.length - 1]!.push(token);
  }
  return groups;
}

/** `<route>` when there is one, else the words; two words without anything between them are two addresses. */
function addressesOf(tokens: readonly Token[]): string[] {
  const open = tokens.findIndex((token) => isOperator(token, "<"));
  if (open >= 0) {
    const close = tokens.findIndex((token, at) => at > open && isOperator(token, ">"));
    return [printTokens(tokens.slice(open + 1, close < 0 ? undefined : close))];
  }
  const starts = tokens.flatMap((token, at) =>
    at === 0 || (token.type !== "operator" && tokens[at - 1]!.type !== "operator") ? [at] : []
  );
  return starts.map((start, at) => printTokens(tokens.slice(start, starts[at + 1])));
}
