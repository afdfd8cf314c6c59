import { fileURLToPath } from 'node:url';
import { CommandError } from '@mobvibe/cli';

const CONFIG = fileURLToPath(new URL('../vite.config.ts', import.meta.url));

/** The files of the page by their path: `/index.html`, `/assets/…`. */
export type PageFiles = Map<string, string | Uint8Array<ArrayBuffer>>;

/**
 * Builds the page in memory, which takes a second or two: nobody reads what another build is writing.
 * @throws CommandError when it cannot be built.
 */
export async function buildPage(): Promise<PageFiles> {
  // Loaded where it is used: it is large.
  const { build } = await import('vite');
  const built = await build({ configFile: CONFIG, logLevel: 'silent', build: { write: false } }).catch(
    (cause) => {
      throw new CommandError('the page cannot be built', 'pnpm turbo build says why', { cause });
    },
  );
  const outputs = [built].flat().flatMap((result) => ('output' in result ? result.output : []));
  return new Map(
    outputs.map((file) => [
      `/${file.fileName}`,
      file.type === 'chunk' ? file.code : (file.source as string | Uint8Array<ArrayBuffer>),
    ]),
  );
}
