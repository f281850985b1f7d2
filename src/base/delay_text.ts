/**
 * Seconds as Postfix logs them (delay=, delays=): two significant digits, trailing zeros dropped, nothing below the
 * resolution of `digits` decimals (delay_logging_resolution_limit); from 10 s on whole seconds.
 */
export function delayText(milliseconds: number, digits: number): string {
  const seconds = milliseconds > 0 ? milliseconds / 1000 : 0;
  if (seconds < 0.5 * 10 ** -digits) return "0";
  const decimals = Math.min(digits, Math.max(0, 1 - Math.floor(Math.log10(seconds))));
  const text = seconds.toFixed(decimals);
  return decimals === 0 ? text : text.replace(/\.?0+$/, "");
}
