/**
 * What the worker calls a file of the project in the session's folder in Storage, which takes few characters: each part
 * percent-encoded, with `=` for the `%`. The same as the worker's objectName, which a test holds it to.
 */
export const storedName = (path: string): string => path.split('/').map(encodePart).join('/');

const encodePart = (part: string) => encodeURIComponent(part).replaceAll('~', '%7E').replaceAll('%', '=');
