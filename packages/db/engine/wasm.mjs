import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as glue from '@prisma/schema-engine-wasm/schema_engine_bg';
import { panic } from './panic.mjs';

/**
 * Instantiates Prisma's schema engine. The package's own entry point imports the .wasm file as a module, which
 * Node 20 cannot do.
 * @returns {Promise<typeof glue>}
 */
export async function loadEngine() {
  Object.assign(globalThis, {
    PRISMA_WASM_PANIC_REGISTRY: {
      set_message(/** @type {string} */ message) {
        panic.message = message;
      },
    },
  });
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm');
  const bytes = readFileSync(new URL('schema_engine_bg.wasm', `file://${entry}`));
  // Neither has types: the libraries in use leave out WebAssembly, the package its binding.
  const { WebAssembly } = /** @type {any} */ (globalThis);
  const { __wbg_set_wasm: bind } = /** @type {any} */ (glue);
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': glue });
  bind(instance.exports);
  instance.exports.__wbindgen_start();
  return glue;
}
