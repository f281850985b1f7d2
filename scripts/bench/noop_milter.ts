// A milter that has nothing against anything. `noop_milter.ts PORT EVENTS`: EVENTS are the events that it does not want (SMFIP_), 0 to
// hear and answer all, 0x37f to do as libmilter does for a filter without callbacks: it hears the end of a message alone.
import { createServer } from "node:net";

/** Macros, the end of a session and of a message under way are not answered. */
const UNANSWERED = new Set([..."DAQ"].map((letter) => letter.charCodeAt(0)));
const NEGOTIATE = "O".charCodeAt(0);
const CONTINUE = Buffer.from("\0\0\0\x01c", "latin1");

/** The offer as it came, but for the events. */
function agreement(packet: Buffer): Buffer {
  const answer = Buffer.from(packet);
  answer.writeUInt32BE(Number(process.argv[3] ?? 0), 13);
  return answer;
}

createServer({ noDelay: true }, (socket) => {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const answers: Buffer[] = [];
    let at = 0;
    while (rest.length - at >= 5) {
      const end = at + 4 + rest.readUInt32BE(at);
      if (rest.length < end) break;
      const letter = rest[at + 4]!;
      if (letter === NEGOTIATE) answers.push(agreement(rest.subarray(at, end)));
      else if (!UNANSWERED.has(letter)) answers.push(CONTINUE);
      at = end;
    }
    rest = rest.subarray(at);
    if (answers.length > 0) socket.write(Buffer.concat(answers));
  });
}).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"));
