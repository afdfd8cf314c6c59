import { readlink, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve, sep } from 'node:path';

export interface PermissionRoots {
  /** Where the agent may write. A real path. */
  project: string;
  /** Where it may read as well: the SDK keeps long tool outputs there. Real paths. */
  readable: string[];
  /** What `~` stands for. */
  home: string;
}

export type Decision = { allowed: true; input: Record<string, unknown> } | { allowed: false; reason: string };

const PATH_FIELD: Record<string, string> = {
  Read: 'file_path',
  Write: 'file_path',
  Edit: 'file_path',
  Glob: 'path',
  Grep: 'path',
};
const WRITES = new Set(['Write', 'Edit']);
const MAX_LINKS = 40;

/** The tools an agent gets. */
export const TOOLS = ['Bash', ...Object.keys(PATH_FIELD)];

/**
 * Whether the agent may call a tool with this input. Where the input names a path, the allowed input names what it
 * leads to behind every link, so that the tool opens what was checked.
 */
export async function decide(
  tool: string,
  input: Record<string, unknown>,
  cwd: string,
  roots: PermissionRoots,
): Promise<Decision> {
  if (tool === 'Bash') return { allowed: true, input };
  const field = PATH_FIELD[tool];
  if (!field) return refused(`${tool} is not available here`);
  if (tool === 'Glob' && leavesDirectory(String(input.pattern ?? ''))) {
    return refused('a pattern must stay inside the project: name the directory in path');
  }
  const given = input[field];
  if (given === undefined && (tool === 'Glob' || tool === 'Grep')) return { allowed: true, input };
  if (typeof given !== 'string') return refused(`${field} must be text`);

  const path = given.includes('\0')
    ? undefined
    : await realTarget(absolute(given.trim(), cwd, roots.home)).catch(() => undefined);
  if (!path) return refused(`${field} leads nowhere`);
  const allowed = WRITES.has(tool) ? [roots.project] : [roots.project, ...roots.readable];
  if (!allowed.some((root) => isInside(path, root))) {
    return refused('that path is outside the project: the agent works in its own directory only');
  }
  return { allowed: true, input: { ...input, [field]: path } };
}

const refused = (reason: string): Decision => ({ allowed: false, reason });

const leavesDirectory = (pattern: string) =>
  isAbsolute(pattern.trim()) || pattern.trim().startsWith('~') || /(^|[/\\{,])\.\.([/\\},]|$)/.test(pattern);

function absolute(path: string, cwd: string, home: string): string {
  if (path === '~' || path.startsWith('~/')) return join(home, path.slice(1));
  return resolve(cwd, path);
}

/** Where a path leads, also when its end does not exist yet: behind every link, dangling ones included. */
async function realTarget(path: string, links = 0): Promise<string> {
  if (links > MAX_LINKS) throw new Error('too many links');
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
  }
  const parent = await realTarget(dirname(path), links);
  const target = await readlink(join(parent, basename(path))).catch(() => undefined);
  if (target === undefined) return join(parent, basename(path));
  return realTarget(resolve(parent, target), links + 1);
}

const isInside = (path: string, root: string) => path === root || path.startsWith(root + sep);
