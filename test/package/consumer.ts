import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryRoot } from '@mobvibe/cli';

const execute = promisify(execFile);

/** The pnpm of this repository, however the tests were started. */
const PNPM = ['npx', '-y', 'pnpm@12'];

// What a run of this repository's scripts adds to the environment, and whoever installs the packages has not.
const OURS =
  /^(npm_(?!config_)|pnpm_|vitest|vite_|node_(env|options|path)$|init_cwd|database_url|direct_url|supabase_|mobvibe_)/i;
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OURS.test(name)));

/** What a command wrote to stdout. It fails with all it said. */
export async function run(
  directory: string,
  [program = '', ...args]: string[],
  variables: NodeJS.ProcessEnv = {},
): Promise<string> {
  try {
    const { stdout } = await execute(program, args, {
      cwd: directory,
      env: { ...environment, ...variables },
      maxBuffer: 2 ** 26,
    });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${[program, ...args].join(' ')}:\n${stdout}\n${stderr}`, { cause: error });
  }
}

/** The tarball of a package, as it would be published. */
export async function pack(name: string, to: string): Promise<string> {
  await run(join(repositoryRoot, 'packages', name), [...PNPM, 'pack', '--pack-destination', to]);
  const { version } = JSON.parse(
    await readFile(join(repositoryRoot, 'packages', name, 'package.json'), 'utf8'),
  );
  return join(to, `mobvibe-${name}-${version}.tgz`);
}

/** A file of a tarball, as text. */
export const inTarball = (tarball: string, path: string): Promise<string> =>
  run('.', ['tar', '-xzOf', tarball, `package/${path}`]);

export const namesInTarball = async (tarball: string): Promise<string[]> =>
  (await run('.', ['tar', '-tzf', tarball])).trim().split('\n');

/** A project outside the repository. */
export interface Consumer {
  directory: string;
  write(files: Record<string, string>): Promise<void>;
  /** Type-checks files, strictly and their libraries included; what the compiler has against them. */
  check(files: string[], compilerOptions: object): Promise<string[]>;
}

const INSTALL = {
  npm: ['npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'],
  pnpm: [...PNPM, 'add', '--prefer-offline'],
};

/** Makes an empty project and installs the tarballs, and what an application has besides, in our versions. */
export async function makeConsumer(
  installer: keyof typeof INSTALL,
  tarballs: string[],
  within: string,
): Promise<Consumer> {
  const directory = join(within, installer);
  const write = async (files: Record<string, string>) => {
    for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
  };
  await mkdir(directory);
  await write({ 'package.json': JSON.stringify({ name: 'consumer', private: true, type: 'module' }) });
  const others = await Promise.all(['@supabase/supabase-js', '@types/node', 'typescript'].map(installed));
  await run(directory, [...INSTALL[installer], ...tarballs, ...others]);
  return {
    directory,
    write,
    check: async (files, compilerOptions) => {
      const strict = {
        strict: true,
        skipLibCheck: false,
        target: 'es2023',
        types: ['node'],
        lib: ['es2023'],
      };
      await write({
        'tsconfig.json': JSON.stringify({ files, compilerOptions: { ...strict, ...compilerOptions } }),
      });
      const compiler = [process.execPath, 'node_modules/typescript/bin/tsc', '--pretty', 'false'];
      try {
        await run(directory, compiler);
        return [];
      } catch (error) {
        const complaints = String(error)
          .split('\n')
          .filter((line) => /error TS\d+/.test(line));
        if (complaints.length === 0) throw error;
        return complaints;
      }
    },
  };
}

async function installed(name: string): Promise<string> {
  const manifest = await readFile(join(repositoryRoot, 'node_modules', name, 'package.json'), 'utf8');
  return `${name}@${JSON.parse(manifest).version}`;
}

/** The examples of a README in one language, in their order. */
export function examplesOf(readme: string, language: string): string[] {
  return [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, found, code = '']) =>
    found === language ? [code] : [],
  );
}

/** Those that begin with their file's name, by that name. */
export const namedExamplesOf = (readme: string): Record<string, string> =>
  Object.fromEntries(
    examplesOf(readme, 'ts').flatMap((code) => {
      const name = /^\/\/ (\S+\.ts)$/m.exec(code)?.[1];
      return name ? [[name, code]] : [];
    }),
  );
