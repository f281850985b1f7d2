import { systemClock } from "../../base/clock.ts";
import { printable } from "../../base/printable.ts";
import { isTerminal, writeErr, writeOut } from "../../platform/process/this_process.ts";
import { FILTER_HELP } from "../../queue/filter/filter_options.ts";
import type { CommandContext } from "../command.ts";
import { settingsOf } from "../service_control.ts";
import { listQueue } from "./_list_queue.ts";
import { QshapeCounts } from "./_qshape_counts.ts";
import { type QshapeOptions, readQshapeOptions } from "./_qshape_options.ts";
import { qshapeHeads, qshapeTable } from "./_qshape_table.ts";
import { StreamOut } from "./stream_out.ts";

const USAGE = `Usage: qshape [ -s ] [ -p ] [ -m <min_subdomains> ] [ -l ]
	[ -b <bucket_count> ] [ -t <bucket_time> ] [ -w <terminal_width> ]
	[ -N <batch_msg_count> ] [ -n <batch_top_domains> ]
	[ -c <config_directory> ] [ <queue_name> ... ]
`;

const HELP = `usage: mta [-c config_dir] qshape [-slp] [-m N] [-b N] [-t MINUTES] [-w WIDTH]
         [-N N] [-n N] [-c config_dir] [--json] [filter...] [queue...]

how many addresses of each domain are in the queue, by age; of incoming and
active unless queues are named (incoming, active, deferred, hold)

  -s       by the sender's domain; -p with parent domains of at least -m (5)
  -b -t    columns (10), minutes of the first (5), each twice the one before;
           with -l all as wide
  -w       width of the table when it is over 80
  -N -n    on a terminal: an interim table each so many messages (1000), with so
           many domains (20)
  --json   one JSON object
${FILTER_HELP}`;

/** What Perl's die exits with. */
const DIED = 255;
const CLEAR = "\x1b[H\x1b[2J\x1b[3J";

/** `mta qshape` (qshape(1)). */
export async function qshape(context: CommandContext): Promise<number> {
  if (context.args[0] === "--help") return (writeOut(HELP), 0);
  const options = readQshapeOptions(context.args);
  if ("mistake" in options) return (writeErr(`qshape: fatal: ${options.mistake}\n`), 1);
  if ("help" in options) {
    writeErr(`${options.help === "" ? "" : `qshape: ${printable(options.help)}\n`}${USAGE}`);
    return DIED;
  }
  const { configDirectory } = options;
  const called = { ...context, ...(configDirectory !== undefined && { configDirectory }) };
  const configuration = settingsOf(called, ["queue_directory"], "qshape");
  if (configuration === undefined) return 1;
  for (const word of options.unknown) {
    writeErr(`qshape: warning: no such queue: ${printable(word)} (incoming, active, deferred, hold)\n`);
  }
  const counts = new QshapeCounts(options.shape, systemClock.now());
  const out = new StreamOut();
  const isWatched = isTerminal(1) && !options.json;
  const why = options.queues.length === 0 ? undefined : await listQueue(configuration, {
    program: "qshape",
    filter: { ...options.filter, status: options.filter?.status ?? options.queues },
    row: (row) => {
      if (!options.queues.includes(row.queue)) return;
      counts.add(row);
      const isDue = row.continued !== true && options.every > 0 && counts.messages % options.every === 0;
      if (isWatched && isDue) out.write(tableOf(counts, options, isWatched));
    },
    signal: out.signal,
  });
  if (why !== undefined) return (writeErr(`qshape: fatal: ${printable(why)}\n`), 1);
  out.write(options.json ? jsonOf(counts, options) : tableOf(counts, options, isWatched));
  out.flush();
  return 0;
}

function tableOf(
  counts: QshapeCounts,
  { shape, leastChildren, width, every, top }: QshapeOptions,
  isWatched: boolean,
): string {
  const rows = counts.rows(leastChildren);
  const shown = isWatched && top > 0 ? rows.slice(0, top) : rows;
  return `${isWatched && every > 0 ? CLEAR : ""}${qshapeTable(shown, shape, width)}`;
}

function jsonOf(counts: QshapeCounts, { shape, leastChildren }: QshapeOptions): string {
  // Where each column ends; the last one does not.
  const minutes = qshapeHeads(shape).slice(1, -1).map(Number);
  const domains = counts.rows(leastChildren).map(({ domain, counts: [total, ...ofAge] }) => ({
    domain,
    total,
    counts: ofAge,
  }));
  return `${JSON.stringify({ minutes, domains })}\n`;
}
