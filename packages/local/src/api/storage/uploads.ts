import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import busboy from 'busboy';
import { invalidRequest, StorageError } from './errors.ts';

/** A file on its way in. */
export interface Upload {
  body: Readable;
  mimeType: string;
  cacheControl: string;
  userMetadata: object | undefined;
}

/**
 * The file of a request: its body, or the first file of a form, whose fields stand before it.
 * @throws StorageError when there is none.
 */
export function uploadOf(request: IncomingMessage): Promise<Upload> {
  const type = request.headers['content-type'] ?? 'application/octet-stream';
  return /^multipart\/form-data/i.test(type) ? fileOfForm(request) : Promise.resolve(bodyOf(request, type));
}

function bodyOf(request: IncomingMessage, mimeType: string): Upload {
  const encoded = request.headers['x-metadata'];
  const metadata =
    encoded === undefined ? undefined : Buffer.from(String(encoded), 'base64').toString('utf8');
  return {
    body: request,
    mimeType,
    cacheControl: request.headers['cache-control'] ?? 'no-cache',
    userMetadata: parsed(metadata),
  };
}

function fileOfForm(request: IncomingMessage): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const malformed = (cause: unknown) => {
      request.unpipe();
      reject(invalidRequest(`the form cannot be read: ${(cause as Error).message}`));
    };
    try {
      const fields = new Map<string, string>();
      const form = busboy({
        headers: request.headers,
        limits: { files: 1, fields: 16, fieldSize: 64 * 1024, parts: 32 },
      });
      form.on('field', (name, value) => fields.set(name, value));
      form.on('file', (_name, file, { mimeType }) => {
        // Heard by whoever reads the file; before anybody does, it must not end the process.
        file.on('error', () => {});
        const cacheTime = fields.get('cacheControl');
        try {
          resolve({
            body: file,
            mimeType,
            cacheControl: cacheTime ? headerValue(`max-age=${cacheTime}`) : 'no-cache',
            userMetadata: parsed(fields.get('metadata')),
          });
        } catch (error) {
          file.resume();
          reject(error);
        }
      });
      form.on('error', malformed);
      form.on('close', () => reject(invalidRequest('No file provided')));
      request.once('aborted', () => form.destroy(new Error('the request broke off')));
      request.pipe(form);
    } catch (error) {
      malformed(error);
    }
  });
}

// It becomes a header of every download.
function headerValue(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  throw invalidRequest('cacheControl is no value of a header');
}

function parsed(metadata: string | undefined): object | undefined {
  if (metadata === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(metadata);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below.
  }
  throw invalidRequest('the metadata is no JSON object');
}

/**
 * Refuses what a bucket does not take.
 * @throws StorageError
 */
export function refuseMimeType(mimeType: string, allowed: string[] | null): void {
  if (!allowed?.length) return;
  const type = mimeType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const fits = allowed.some((pattern) =>
    pattern.endsWith('/*')
      ? type.startsWith(pattern.slice(0, -1))
      : type === pattern.toLowerCase() || pattern === '*',
  );
  if (!fits) throw new StorageError(415, 'invalid_mime_type', `mime type ${type} is not supported`);
}
