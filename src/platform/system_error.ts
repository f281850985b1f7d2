/** strerror(3)'s words for the errors that sockets and files meet. */
const TEXTS: { readonly [code: string]: string } = {
  EACCES: "Permission denied",
  EADDRINUSE: "Address already in use",
  EADDRNOTAVAIL: "Cannot assign requested address",
  EAFNOSUPPORT: "Address family not supported by protocol",
  EAI_AGAIN: "Temporary failure in name resolution",
  EAGAIN: "Resource temporarily unavailable",
  ECONNABORTED: "Software caused connection abort",
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EHOSTDOWN: "Host is down",
  EHOSTUNREACH: "No route to host",
  EINVAL: "Invalid argument",
  EMFILE: "Too many open files",
  ENAMETOOLONG: "File name too long",
  ENETDOWN: "Network is down",
  ENETUNREACH: "Network is unreachable",
  ENFILE: "Too many open files in system",
  ENOBUFS: "No buffer space available",
  ENOENT: "No such file or directory",
  ENOTFOUND: "Name or service not known",
  ENOTDIR: "Not a directory",
  ENXIO: "No such device or address",
  ENOTSOCK: "Socket operation on non-socket",
  EPERM: "Operation not permitted",
  EPIPE: "Broken pipe",
  EPROTOTYPE: "Protocol wrong type for socket",
  ETIMEDOUT: "Connection timed out",
  EXDEV: "Invalid cross-device link",
  ETXTBSY: "Text file busy",
  ESTALE: "Stale file handle",
  EROFS: "Read-only file system",
  ENOSPC: "No space left on device",
  ENOMEM: "Cannot allocate memory",
  ENOEXEC: "Exec format error",
  ELOOP: "Too many levels of symbolic links",
  EISDIR: "Is a directory",
  EIO: "Input/output error",
  EFBIG: "File too large",
  EEXIST: "File exists",
  EDQUOT: "Disk quota exceeded",
};

/** The system's words for an error, as `%m` prints them in Postfix's texts. */
export function systemErrorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? String(error.code) : "";
  return TEXTS[code] ?? error.message;
}

/** Code of a system error (`ENOENT`), "" for anything else. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
