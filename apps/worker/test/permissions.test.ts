import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decide, type PermissionRoots } from '../src/executor/claude/permissions.ts';

let root: string;
let roots: PermissionRoots;

beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'permissions-')));
  roots = { project: join(root, 'project'), home: join(root, 'home'), readable: [join(root, 'home')] };
  for (const directory of ['project/src', 'project-2', 'home', 'outside']) {
    await mkdir(join(root, directory), { recursive: true });
  }
  await writeFile(join(root, 'outside', 'secret'), 'secret');
  await symlink(join(root, 'outside'), join(root, 'project', 'link'));
  await symlink(join(root, 'outside', 'not-yet'), join(root, 'project', 'dangling'));
  await symlink('../outside', join(root, 'project', 'relative-link'));
  await symlink('loop', join(root, 'project', 'loop'));
  await symlink('src', join(root, 'project', 'inner-link'));
  // Names that the tools would take for another: they trim, and compose characters.
  await symlink(join(root, 'outside', 'secret'), join(root, 'project', 'trimmed'));
  await symlink('trimmed ', join(root, 'project', 'to-space'));
  await symlink(join(root, 'outside', 'secret'), join(root, 'project', 'caf\u00e9'));
  await symlink('cafe\u0301', join(root, 'project', 'to-decomposed'));
  await symlink(join(root, 'outside', 'secret'), join(root, 'project', 'file-link'));
  await symlink('/proc/self', join(root, 'project', 'process'));
});
afterAll(() => rm(root, { recursive: true }));

const ask = (tool: string, input: Record<string, unknown>) => decide(tool, input, roots.project, roots);

describe('file tools', () => {
  it.each([
    ['an absolute path elsewhere', '/etc/passwd'],
    ['a climb', '../outside/x'],
    ['a climb in the middle', 'src/../../outside/x'],
    ['a sibling with the same beginning', '../project-2/x'],
    ['a link to a directory elsewhere', 'link/x'],
    ['a relative link', 'relative-link/x'],
    ['a link that leads to nothing yet', 'dangling'],
    ['a link to itself', 'loop'],
    ['the home directory', '~/x'],
    ['space before an absolute path', '  /etc/passwd'],
    ['a NUL', 'src/x\0'],
    ['a file as a directory', join('..', 'outside', 'secret', 'x')],
    ['the sandbox itself', '..'],
    ['a link to a file elsewhere', 'file-link'],
    ['a climb out of a link', 'inner-link/../../outside/x'],
    ['a link whose target the tools would trim', 'to-space'],
    ['a link whose target the tools would compose', 'to-decomposed'],
    ['the same letters, decomposed', 'cafe\u0301'],
    ['a space that is no space', '\u00a0/etc/passwd'],
    ['a line break before a climb', '\n../outside/x'],
    ['another letter case', '../PROJECT-2/x'],
    ['its own process', 'process/environ'],
  ])('may not write: %s', async (_, path) => {
    expect(await ask('Write', { file_path: path })).toMatchObject({ allowed: false });
    expect(await ask('Edit', { file_path: path })).toMatchObject({ allowed: false });
  });

  it('may write in the project, at the place that was checked', async () => {
    expect(await ask('Write', { file_path: 'new/deep/App.tsx', content: 'x' })).toEqual({
      allowed: true,
      input: { file_path: join(roots.project, 'new/deep/App.tsx'), content: 'x' },
    });
    expect(await ask('Edit', { file_path: join(roots.project, 'inner-link', 'a.ts') })).toEqual({
      allowed: true,
      input: { file_path: join(roots.project, 'src', 'a.ts') },
    });
  });

  it('may read the project and where the SDK keeps long outputs, nothing else', async () => {
    expect(await ask('Read', { file_path: 'src/a.ts' })).toMatchObject({ allowed: true });
    expect(await ask('Read', { file_path: '~/.claude/output.txt' })).toMatchObject({ allowed: true });
    expect(await ask('Read', { file_path: 'link/secret' })).toMatchObject({ allowed: false });
    expect(await ask('Read', { file_path: '/proc/self/environ' })).toMatchObject({ allowed: false });
    expect(await ask('Read', {})).toMatchObject({ allowed: false });
  });

  it('take for names what only looks like a way out', async () => {
    for (const name of [
      '．．/x',
      '..\u200b/x',
      '...',
      '.. /x',
      '..\\x',
      '%2e%2e/x',
      'src./a',
      '$HOME/x',
      '~root/x',
    ]) {
      const decision = await ask('Write', { file_path: name });
      expect(decision).toEqual({ allowed: true, input: { file_path: join(roots.project, name) } });
    }
  });

  it('may search where the shell has gone to, if that is inside', async () => {
    const from = (cwd: string) => decide('Glob', { pattern: '*' }, cwd, roots);
    expect(await from(join(roots.project, 'src'))).toMatchObject({
      allowed: true,
      input: { path: join(roots.project, 'src') },
    });
    expect(await from('/etc')).toMatchObject({ allowed: false });
    expect(await from(join(roots.project, 'link'))).toMatchObject({ allowed: false });
    expect(await decide('Grep', { pattern: 'x' }, '/etc', roots)).toMatchObject({ allowed: false });
    expect(await decide('Read', {}, roots.project, roots)).toMatchObject({ allowed: false });
    expect(await decide('Write', { file_path: 'x' }, '/etc', roots)).toMatchObject({ allowed: false });
  });

  it.each([[['a']], [{ path: 'a' }], [7], [null]])(
    'may not name a path by anything but text: %j',
    async (path) => {
      expect(await ask('Write', { file_path: path })).toMatchObject({ allowed: false });
      expect(await ask('Read', { file_path: path })).toMatchObject({ allowed: false });
    },
  );

  it('may search inside only', async () => {
    expect(await ask('Glob', { pattern: '**/*.ts' })).toMatchObject({ allowed: true });
    expect(await ask('Grep', { pattern: '\\.\\./', path: 'src' })).toMatchObject({ allowed: true });
    expect(await ask('Glob', { pattern: '/etc/*' })).toMatchObject({ allowed: false });
    expect(await ask('Glob', { pattern: 'src/../../*' })).toMatchObject({ allowed: false });
    expect(await ask('Glob', { pattern: '{src,..}/*' })).toMatchObject({ allowed: false });
    expect(await ask('Glob', { pattern: ' /etc/*' })).toMatchObject({ allowed: false });
    expect(await ask('Glob', { pattern: '~/*' })).toMatchObject({ allowed: false });
    expect(await ask('Glob', { pattern: ['/etc/*'] })).toMatchObject({ allowed: false });
    expect(await ask('Glob', { pattern: '*', path: '/etc' })).toMatchObject({ allowed: false });
    expect(await ask('Grep', { pattern: 'x', path: 'link' })).toMatchObject({ allowed: false });
  });

  it('are the only ones, with the shell', async () => {
    expect(await ask('Bash', { command: 'ls' })).toMatchObject({ allowed: true });
    expect(await ask('WebFetch', { url: 'http://localhost' })).toMatchObject({ allowed: false });
    for (const tool of [
      'toString',
      'NotebookEdit',
      'MultiEdit',
      'Task',
      'write',
      'mcp__x__Write',
      'BashOutput',
    ]) {
      expect(await ask(tool, { file_path: 'a', notebook_path: 'a' })).toMatchObject({ allowed: false });
    }
  });
});
