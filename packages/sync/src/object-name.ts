// A key of S3 has 1,024 bytes, and the session's folder stands before this.
const LONGEST = 900;

/**
 * What a file of the project is called in its session's folder in Storage; undefined where it cannot be there.
 * Storage takes no key with a bracket, a `%` or a letter beyond ASCII, but app/[id].tsx is a file of every second
 * app: each part is percent-encoded, with `=` for the `%`. `decodeURIComponent(name.replaceAll('=', '%'))` reads it.
 * @param path relative to the project, as the sandbox gives it: it is the agent's
 */
export function objectName(path: string): string | undefined {
  const parts = path.split('/');
  const leads = parts.some((part) => part === '' || part === '.' || part === '..');
  if (leads || path.includes('\0')) return undefined;
  try {
    const name = parts.map(encodePart).join('/');
    return name.length <= LONGEST ? name : undefined;
  } catch {
    // Half a surrogate pair: no text that UTF-8 has.
    return undefined;
  }
}

const encodePart = (part: string) => encodeURIComponent(part).replaceAll('~', '%7E').replaceAll('%', '=');
