import { isAbsolute, join, resolve } from 'node:path';
import { isInside, realTarget } from '../../sandbox/machine/paths.mjs';

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
const SEARCHES = new Set(['Glob', 'Grep']);

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
  // A search without a path is one of the working directory, wherever the shell has moved that.
  const given = input[field] ?? (SEARCHES.has(tool) ? cwd : undefined);
  if (typeof given !== 'string') return refused(`${field} must be text`);

  const path = given.includes('\0')
    ? undefined
    : await realTarget(absolute(asOpened(given), cwd, roots.home)).catch(() => undefined);
  if (!path || path !== asOpened(path)) return refused(`${field} leads nowhere`);
  const allowed = WRITES.has(tool) ? [roots.project] : [roots.project, ...roots.readable];
  if (!allowed.some((root) => isInside(path, root))) {
    return refused('that path is outside the project: the agent works in its own directory only');
  }
  return { allowed: true, input: { ...input, [field]: path } };
}

/** A path as the tools read it: a link could lead to a name that they would take for another. */
const asOpened = (path: string) => path.trim().normalize('NFC');

const refused = (reason: string): Decision => ({ allowed: false, reason });

const leavesDirectory = (pattern: string) =>
  isAbsolute(pattern.trim()) || pattern.trim().startsWith('~') || /(^|[/\\{,])\.\.([/\\},]|$)/.test(pattern);

function absolute(path: string, cwd: string, home: string): string {
  if (path === '~' || path.startsWith('~/')) return join(home, path.slice(1));
  return resolve(cwd, path);
}
