/** Return what this browser keeps under a name; null if nothing, or if it keeps nothing at all. */
export function read(key: string): string | null {
  try {
    return localStorage.getItem(`verifiable-oracle.${key}`);
  } catch {
    return null; // some browsers refuse storage to local files and in private windows
  }
}

/** Keep a text under a name; null forgets it. A browser that keeps nothing is no error. */
export function write(key: string, text: string | null): void {
  try {
    if (text === null) localStorage.removeItem(`verifiable-oracle.${key}`);
    else localStorage.setItem(`verifiable-oracle.${key}`, text);
  } catch {
    // as above
  }
}
