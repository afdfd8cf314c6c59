import { extname } from 'node:path';
import { contentType as ofExtension } from 'mime-types';

// The registry takes .ts for a film, and does not know the others.
const SOURCES = new Set(['.ts', '.tsx', '.mts', '.cts']);

/** The media type of a file, by its name. */
export function contentType(path: string): string {
  const extension = extname(path).toLowerCase();
  if (SOURCES.has(extension)) return 'text/plain; charset=utf-8';
  return (extension && ofExtension(extension)) || 'application/octet-stream';
}
