import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { CommandError, errorCode } from '@mobvibe/cli';
import { z } from 'zod';
import { fingerprint, listFiles, openFile } from './machine/files.mjs';
import { isInside, realTarget } from './machine/paths.mjs';
import { PREVIEW_FILE, readPreview } from './preview.ts';
import { endProcesses, sessionMark } from './processes.ts';
import { MAX_FILES, type Sandbox, type Sandboxes } from './sandbox.ts';

const MAX_PREVIEW_BYTES = 16 * 1024;
const ID_PREFIX = 'local:';
/** Beside the project: whose sandbox this is. */
const LABEL_FILE = 'sandbox.json';

const label = z.object({
  database: z.string(),
  created_at: z.coerce.date(),
  /** Tells it from one of the same session that was lost, or is on another machine. Those of old have none. */
  mark: z.string().optional(),
});
type Label = z.infer<typeof label>;

/**
 * Sandboxes as directories of this machine, `<data>/sessions/<session id>/{home,project}`. A directory is no
 * jail: the agent's file tools are held inside it, its shell commands run as the worker's own user.
 * @param database which database the sessions are in (`databaseId`)
 * @throws CommandError when that directory cannot be written to.
 */
export async function openLocalSandboxes(dataDirectory: string, database = ''): Promise<Sandboxes> {
  const sessions = join(dataDirectory, 'sessions');
  try {
    await mkdir(sessions, { recursive: true, mode: 0o700 });
    await access(sessions, constants.W_OK);
  } catch (error) {
    throw new CommandError(
      `sandboxes cannot be made in ${dataDirectory}: ${errorCode(error)}`,
      'name a directory of your own with --data',
      { cause: error },
    );
  }
  return {
    async open(session) {
      const root = join(sessions, session.id);
      await mkdir(join(root, 'home'), { recursive: true, mode: 0o700 });
      await mkdir(join(root, 'project'), { recursive: true, mode: 0o700 });
      const born: Label = { database, created_at: new Date(), mark: randomBytes(4).toString('hex') };
      await writeFile(join(root, LABEL_FILE), JSON.stringify(born), { flag: 'wx' }).catch(unlessExists);
      // npm looks upwards for a package: without one here, an install in an empty project would change whatever
      // package the data directory lies in.
      await writeFile(join(root, 'package.json'), '{ "private": true }\n');
      await endProcesses(sessionMark(session.id));
      return sandbox(idOf(session.id, await readLabel(join(root, LABEL_FILE))), await realpath(root));
    },
    async list() {
      const entries = await readdir(sessions, { withFileTypes: true });
      const ids = entries
        .filter((entry) => entry.isDirectory() && isUuid(entry.name))
        .map(({ name }) => name);
      return Promise.all(
        ids.map(async (sessionId) => {
          const found = await readLabel(join(sessions, sessionId, LABEL_FILE));
          return {
            id: idOf(sessionId, found),
            sessionId,
            ...(found && { createdAt: found.created_at, database: found.database }),
          };
        }),
      );
    },
    async end(id) {
      const [sessionId = ''] = id.startsWith(ID_PREFIX) ? id.slice(ID_PREFIX.length).split(':') : [];
      // A path is made of it.
      if (!isUuid(sessionId)) return;
      // Another one of that session is not this one.
      if (id !== idOf(sessionId, await readLabel(join(sessions, sessionId, LABEL_FILE)))) return;
      await endProcesses(sessionMark(sessionId));
      await rm(join(sessions, sessionId), { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

const idOf = (sessionId: string, found: Label | undefined): string =>
  [ID_PREFIX + sessionId, ...(found?.mark ? [found.mark] : [])].join(':');

function sandbox(id: string, root: string): Sandbox {
  const project = join(root, 'project');
  return {
    id,
    project,
    home: join(root, 'home'),
    async preview() {
      const content = await readInside(project, PREVIEW_FILE, MAX_PREVIEW_BYTES);
      return readPreview(content?.toString('utf8'), true);
    },
    files: async () => (await listFiles(project, MAX_FILES)).map((path) => relative(project, path)).sort(),
    async fingerprints(mostBytes) {
      const found = [];
      for (const path of await listFiles(project, MAX_FILES)) {
        const known = await fingerprint(path, mostBytes);
        if (known) found.push({ path: relative(project, path), ...known });
      }
      return found;
    },
    async *read(paths, mostBytes) {
      for (const path of paths) yield { path, content: await readInside(project, path, mostBytes) };
    },
  };
}

/** A file of the project, whatever the agent put there; undefined where there is none, or it leads out of it. */
async function readInside(project: string, path: string, mostBytes: number): Promise<Buffer | undefined> {
  const target = await realTarget(join(project, path)).catch(() => undefined);
  if (!target || !isInside(target, project)) return undefined;
  const file = await openFile(target);
  if (!file) return undefined;
  try {
    return (await file.stat()).size > mostBytes ? undefined : await file.readFile();
  } finally {
    await file.close();
  }
}

async function readLabel(file: string): Promise<Label | undefined> {
  const content = await readFile(file, 'utf8').catch(() => '{}');
  try {
    return label.safeParse(JSON.parse(content)).data;
  } catch {
    return undefined;
  }
}

const isUuid = (text: string) => z.guid().safeParse(text).success;

function unlessExists(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
