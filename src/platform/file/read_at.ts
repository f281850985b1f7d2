import fs from "node:fs";

/** Reads up to `into.length` bytes from there, as many as one call gives; 0 at the end. Rejects with the system's error. */
export function readOnce(fd: number, into: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(
      fd,
      into,
      0,
      into.length,
      position,
      (error, got) => error === null ? resolve(got) : reject(error),
    );
  });
}

/** Reads until `into` is full or the file ends; answers how many bytes were read. Rejects with the system's error. */
export async function readFully(fd: number, into: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const got = await readOnce(fd, done === 0 ? into : into.subarray(done), position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}
