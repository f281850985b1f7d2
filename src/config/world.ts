import { readSmallFile } from "../platform/file/small_files.ts";
import { errorCode, systemErrorText } from "../platform/system_error.ts";
import { hostName, interfaceAddresses, lookupHostNow, tcpPort } from "../platform/host.ts";
import type { InterfaceAddress } from "../platform/host.ts";

/** A file's text, or the system's complaint in words and by its code (ENOENT). */
export type TextRead = { readonly text: string } | { readonly error: string; readonly code: string };

/** What the configuration asks of the machine it is on; tests bring their own. */
export interface World {
  hostName(): string;
  interfaceAddresses(): readonly InterfaceAddress[];
  /** Addresses of a name; empty when unknown. Blocks. */
  lookupHost(name: string): readonly string[];
  /** Port of a TCP service by the system's services file. */
  tcpPort(name: string): number | undefined;
  readText(path: string): TextRead;
  readonly processId: number;
  /** Program name for `process_name`. */
  readonly processName: string;
}

/** Bytes as text: UTF-8 where they are, else one character a byte, so that nothing is lost without a word. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  }
}

function readText(path: string): TextRead {
  try {
    return { text: decodeText(readSmallFile(path)) };
  } catch (error) {
    return { error: systemErrorText(error), code: errorCode(error) };
  }
}

/** The machine we run on. */
export function realWorld(processId: number, processName: string): World {
  return {
    hostName,
    interfaceAddresses,
    lookupHost: lookupHostNow,
    tcpPort,
    readText,
    processId,
    processName,
  };
}
