import { crc32 } from "../../platform/checksum.ts";
import { inflate, type Unpacked } from "../../platform/inflate.ts";

/** A file in a ZIP file, and how to get at it. */
export interface ZipEntry {
  readonly name: string;
  /** Makes at most so many bytes. */
  unpack(most: number): Unpacked;
}

const [END, CENTRAL, LOCAL] = [0x06054b50, 0x02014b50, 0x04034b50];
const [END_SIZE, CENTRAL_SIZE, LOCAL_SIZE] = [22, 46, 30];
/** The end record has a comment of at most so many bytes behind it. */
const LONGEST_COMMENT = 65_535;
const [STORED, DEFLATED] = [0, 8];
/** In flags: encrypted. */
const ENCRYPTED = 1;

/** What a ZIP file holds (APPNOTE.TXT §4.3), by its directory, the first so many; or why it cannot be read. */
export function zipEntries(zip: Buffer, most: number): readonly ZipEntry[] | { readonly fault: string } {
  const end = endRecord(zip);
  if (end === undefined) return { fault: "a ZIP file without an end" };
  const entries: ZipEntry[] = [];
  let at = zip.readUInt32LE(end + 16);
  for (let left = Math.min(zip.readUInt16LE(end + 10), most); left > 0; left--) {
    if (at + CENTRAL_SIZE > zip.length || zip.readUInt32LE(at) !== CENTRAL) {
      return { fault: "a ZIP file with a broken directory" };
    }
    const header = zip.subarray(at);
    const lengths = [28, 30, 32].map((place) => header.readUInt16LE(place));
    const name = header.toString("utf8", CENTRAL_SIZE, CENTRAL_SIZE + lengths[0]!);
    if (!name.endsWith("/")) entries.push({ name, unpack: (bytes) => unpack(zip, header, bytes) });
    at += lengths.reduce((sum, length) => sum + length, CENTRAL_SIZE);
  }
  return entries;
}

/** Where the end record is: the last one that says that its comment reaches to the end. */
function endRecord(zip: Buffer): number | undefined {
  const lowest = Math.max(0, zip.length - END_SIZE - LONGEST_COMMENT);
  for (let at = zip.length - END_SIZE; at >= lowest; at--) {
    if (zip.readUInt32LE(at) === END) return at;
  }
  return undefined;
}

function broken(why: string): Unpacked {
  return { is: "broken", why };
}

function unpack(zip: Buffer, header: Buffer, most: number): Unpacked {
  if ((header.readUInt16LE(8) & ENCRYPTED) !== 0) return broken("encrypted");
  const method = header.readUInt16LE(10);
  const [checksum, packed, size, local] = [16, 20, 24, 42].map((place) => header.readUInt32LE(place));
  if (size! > most) return { is: "tooMuch" };
  if (local! + LOCAL_SIZE > zip.length || zip.readUInt32LE(local!) !== LOCAL) {
    return broken("no local header");
  }
  const from = local! + LOCAL_SIZE + zip.readUInt16LE(local! + 26) + zip.readUInt16LE(local! + 28);
  if (from + packed! > zip.length) return broken("cut short");
  const data = zip.subarray(from, from + packed!);
  if (method !== STORED && method !== DEFLATED) return broken(`compression method ${method}`);
  const unpacked = method === DEFLATED ? inflate(data, most) : stored(data, most);
  if (unpacked.is === "bytes" && crc32(unpacked.bytes) !== checksum) return broken("checksum differs");
  return unpacked;
}

function stored(data: Buffer, most: number): Unpacked {
  return data.length > most ? { is: "tooMuch" } : { is: "bytes", bytes: Uint8Array.from(data) };
}
