import type { Metrics } from "../observe/metrics.ts";
import { privateStates } from "../platform/file/private_state.ts";
import { TOKEN_FOLDER } from "../sasl/client/token_source.ts";
import { parseState } from "../sasl/client/token_state.ts";

/** Tells in the metrics until when the last tokens for relays are good: one that is long over, while mail waits, could not be renewed. */
export function exposeTokenExpiry(metrics: Metrics, dataDirectory: () => string): void {
  const expiry = metrics.gauge(
    "mta_oauth_token_expiry_timestamp_seconds",
    "When the last token of a file ends (mta oauth)",
    "file",
  );
  metrics.beforeSnapshot(() => {
    expiry.clear();
    for (const [name, text] of privateStates(`${dataDirectory()}/${TOKEN_FOLDER}`)) {
      const { expires } = parseState(text);
      // A name ends with what tells files of the same name apart.
      if (expires > 0) expiry.set(Math.floor(expires / 1000), name.replace(/-[0-9a-f]{8}$/, ""));
    }
  });
}
