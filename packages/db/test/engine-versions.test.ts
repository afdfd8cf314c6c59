import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectFolder } from '../src/commands/project.ts';
import { engine } from './support.ts';

// By path: a package need not export its package.json.
function manifest(name: string): { version: string; dependencies: Record<string, string> } {
  return JSON.parse(readFileSync(join(projectFolder, 'node_modules', name, 'package.json'), 'utf8'));
}

const prisma = manifest('prisma');
const engines = manifest('@prisma/engines');
const wasm = manifest('@prisma/schema-engine-wasm');
const rule = 'these packages are released together: change them together in pnpm-workspace.yaml';

test.each(['@prisma/client', '@prisma/adapter-pg', '@prisma/driver-adapter-utils', '@prisma/engines'])(
  '%s is of the version of the prisma CLI',
  (name) => {
    expect(manifest(name).version, rule).toBe(prisma.version);
  },
);

test("the WebAssembly engine is of the commit of the CLI's own engine", () => {
  expect(wasm.version, rule).toBe(engines.dependencies['@prisma/engines-version']);
});

test('the engine reports that commit as its version', () => {
  const printed = execFileSync(engine, ['--version'], { encoding: 'utf8', cwd: projectFolder });
  expect(printed.trim()).toBe(`schema-engine-cli ${wasm.version.split('.').at(-1)}`);
});
